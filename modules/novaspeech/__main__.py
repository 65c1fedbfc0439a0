"""`python -m novaspeech`: the command, also where its script is not on the PATH."""

import sys

from novaspeech.command.main import main

if __name__ == "__main__":
    sys.exit(main())
