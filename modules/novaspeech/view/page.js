// The view, the player, the cursor and the keys. Bokeh draws what it is given.

const element = (id) => document.getElementById(id)
const player = element("player")

let bokeh, times, overview, panel // Bokeh's documents, the range of the time axis, and two of its figures
const model = (id) => {
  for (const document of bokeh) {
    const found = document.get_model_by_id(id)
    if (found) return found
  }
  return null
}
const models = () => bokeh.flatMap((document) => [...document.all_models])

// --- times as a clock shows them; Bokeh's axes and tooltips ask for them, too ---

function clock(seconds) {
  const minutes = Math.floor(seconds / 60)
  return minutes + ":" + (seconds - 60 * minutes).toFixed(3).padStart(6, "0")
}

function tick(seconds, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1
  const digits = step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0
  const whole = Number(seconds.toFixed(digits)), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60
  const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")
  return (hours ? hours + ":" + String(minutes).padStart(2, "0") : minutes) + ":" + rest
}

let asked = false
function refresh() {
  if (asked) return
  asked = true
  requestAnimationFrame(() => {
    asked = false
    const { start, end } = times, width = Math.max(200, panel.inner_width)
    if (data.wave) model(data.wave_source).data = waveColumns(start, end, width)
    for (const curve of data.curves) model(curve.source).data = curvePoints(curve, start, end, width)
    for (const track of data.segments) model(track.source).data = boxes(track, start, end, width)
    dimMaps()
    moveCursor()
  })
}

// --- the player and its cursor ---

let now = 0
const time = () => (player ? player.currentTime : now)

function moveCursor() {
  const share = (seconds) => (seconds - times.start) / (times.end - times.start)
  const left = panel.outer_width - panel.inner_width - panel.min_border_right
  const across = (part) => `${left + part * panel.inner_width - 1}px`
  const top = overview && overview.visible ? `${overview.height}px` : "0"
  element("clock").textContent = `${clock(time())} / ${clock(data.duration).slice(0, -4)}`
  element("cursor").hidden = !(share(time()) >= 0 && share(time()) <= 1)
  element("cursor").style.left = across(share(time()))
  element("place").hidden = top === "0"
  element("place").style.left = across(Math.min(1, time() / data.duration))
  const from = chosen ? Math.max(0, share(chosen.start)) : 1, to = chosen ? Math.min(1, share(chosen.end)) : 0
  element("segment").hidden = from > to
  element("segment").style.left = across(from)
  element("segment").style.width = `${(to - from) * panel.inner_width}px`
  for (const id of ["cursor", "segment"]) element(id).style.top = top
  markNow()
}

function seek(seconds) {
  now = last = Math.min(Math.max(seconds, 0), data.duration)
  if (player) player.currentTime = now
  moveCursor()
}

function show(start, length) {
  const most = Math.min(Math.max(length, 0.02), data.duration)
  const from = Math.min(Math.max(start, 0), data.duration - most)
  times.setv({ start: from, end: from + most })
}

function zoom(factor) {
  const length = times.end - times.start, inView = time() >= times.start && time() <= times.end
  const middle = inView ? time() : (times.start + times.end) / 2
  show(middle - (middle - times.start) * factor, length * factor)
}

function follow() {
  if (element("follow").checked && player && !player.paused) {
    const length = times.end - times.start
    if (time() > times.end - length / 20 || time() < times.start) show(time() - length / 10, length)
  }
}

function play() {
  if (!player) return
  if (player.paused) player.play()
  else player.pause()
}

let last = 0 // time of the frame before
function runs() {
  if (looped() && last < chosen.end && time() >= chosen.end) seek(chosen.start)
  last = time()
  follow()
  moveCursor()
  if (!player.paused) requestAnimationFrame(runs)
}

const keys = {
  " ": play,
  ArrowLeft: (event) => seek(time() - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => seek(time() + (event.shiftKey ? 10 : 1)),
  Home: () => seek(0),
  End: () => seek(data.duration),
  "+": () => zoom(0.5),
  "=": () => zoom(0.5),
  "-": () => zoom(2),
  0: () => show(0, data.duration),
  n: () => step(1),
  p: () => step(-1),
  l: () => element("loop").click(),
  f: () => element("follow").click(),
  d: () => element("theme").click(),
}

function keeps(target, key) {
  // Whether a key belongs to what has the focus.
  if (target.type === "search") return true
  if (target.id === "segments") return /^(Arrow|Home|End)/.test(key)
  return target.tagName === "SELECT" || (target.type === "range" && key.startsWith("Arrow"))
}

function listen() {
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key]
    if (!act || event.ctrlKey || event.metaKey || event.altKey || keeps(event.target, event.key)) return
    event.preventDefault()
    event.stopPropagation()
    if (event.target.id !== "segments" && event.target.blur) event.target.blur()
    act(event)
  }, true)
  element("play").onclick = play
  element("in").onclick = () => zoom(0.5)
  element("out").onclick = () => zoom(2)
  element("all").onclick = () => show(0, data.duration)
  element("theme").onclick = () => paint(!document.documentElement.classList.contains("dark"))
  if (player) listenToPlayer()
  else for (const id of ["play", "speed", "volume"]) element(id).hidden = true
  for (const each of models()) {
    if (each.type === "Figure" && (each.name === "panel" || each.name === "overview")) {
      each.on_event("tap", (event) => {
        seek(event.x)
        if (each.name === "overview") show(event.x - (times.end - times.start) / 2, times.end - times.start)
        pick(each.id, event.x, Math.round(event.y))
      })
    }
  }
  for (const part of ["start", "end"]) times.properties[part].change.connect(refresh)
  panel.properties.inner_width.change.connect(refresh)
}

function listenToPlayer() {
  element("speed").onchange = () => { player.playbackRate = Number(element("speed").value) }
  element("volume").oninput = () => { player.volume = Number(element("volume").value) }
  player.addEventListener("play", () => { element("play").textContent = "pause"; runs() })
  player.addEventListener("pause", () => { element("play").textContent = "play" })
  player.addEventListener("ended", () => {
    if (!looped()) return
    seek(chosen.start)
    player.play()
  })
  for (const name of ["seeked", "timeupdate", "loadedmetadata"]) player.addEventListener(name, moveCursor)
  const missing = () => { element("missing").textContent = `The recording cannot be played: ${decodeURI(player.getAttribute("src"))}` }
  player.addEventListener("error", missing)
  if (player.error) missing()
}
