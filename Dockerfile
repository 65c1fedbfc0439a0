# A DISCOVER server with the modules of novaspeech inside.
#
#   docker build -t novaspeech .        # a CPU build of torch, whose wheel you put into the folder wheels
#   docker build -t novaspeech:cuda .   # pip's own torch, on Linux the CUDA build: leave wheels empty
#   docker run -p 8080:8080 -v /recordings:/data -v cache:/cache novaspeech
#
# With CUDA add --gpus all to `docker run`. For NOVA, which asks for https only, mount a certificate and name it:
#   -v /keys:/keys -e DISCOVER_SSL_CERT=/keys/cert.pem -e DISCOVER_SSL_KEY=/keys/key.pem … novaspeech --use_tls
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/novaspeech
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY modules ./modules
# The licence is there in any case: COPY needs something to copy.
COPY LICENSE wheels* /wheels/
RUN pip install --no-cache-dir --find-links /wheels --constraint constraints.txt --editable ".[server,onnx]"
RUN mkdir -p /data /cache /tmp/novaspeech /log
ENV HF_HOME=/cache/huggingface
VOLUME ["/data", "/cache"]
EXPOSE 8080
# The debug backend runs jobs with the packages of this image; the default one would install them again for each module.
ENTRYPOINT ["discover", "--host", "0.0.0.0", "--port", "8080", "--cml_dir", "/opt/novaspeech", "--data_dir", "/data", "--cache_dir", "/cache", "--tmp_dir", "/tmp/novaspeech", "--log_dir", "/log", "--backend", "debug"]
