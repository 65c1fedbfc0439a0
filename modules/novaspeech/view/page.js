// The page's script: what is in view goes to Bokeh, which draws it; the player, the cursor and the keys.
"use strict"
window.novaspeech = (() => {
  const data = JSON.parse(document.getElementById("data").textContent)
  const player = document.getElementById("player")
  const element = (id) => document.getElementById(id)
  const GAP = 65535
  const pen = document.createElement("canvas").getContext("2d")
  pen.font = "12px helvetica, arial, sans-serif" // as figures.py has it

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

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  for (const curve of data.curves) curve.numbers = new Uint16Array(bytes(curve.values).buffer)
  if (data.wave) {
    data.wave.lows = new Int8Array(bytes(data.wave.low).buffer)
    data.wave.highs = new Int8Array(bytes(data.wave.high).buffer)
  }

  // --- what is in view, in no more detail than there are pixels ---

  function waveColumns(start, end, width) {
    const { step, lows, highs } = data.wave
    const first = Math.max(0, Math.floor(start / step)), last = Math.min(lows.length, Math.ceil(end / step) + 1)
    const each = Math.max(1, Math.floor((last - first) / width))
    const columns = { t: [], low: [], high: [] }
    for (let from = first; from < last; from += each) {
      let low = 127, high = -127
      for (let i = from; i < Math.min(from + each, last); i++) {
        if (lows[i] < low) low = lows[i]
        if (highs[i] > high) high = highs[i]
      }
      columns.t.push((from + each / 2) * step)
      columns.low.push(low)
      columns.high.push(high)
    }
    return columns
  }

  function curvePoints(curve, start, end, width) {
    const { numbers, step, low, high } = curve
    const value = (number) => low + ((high - low) * number) / (GAP - 1)
    const first = Math.max(0, Math.floor((start - curve.start) / step) - 1)
    const last = Math.min(numbers.length, Math.ceil((end - curve.start) / step) + 2)
    const each = Math.max(1, Math.floor((last - first) / width))
    const points = { t: [], y: [] }
    for (let from = first; from < last; from += each) {
      // Of many numbers in one pixel the lowest and the highest, so that no peak is lost.
      let lowest = GAP, highest = -1, at = [from, from]
      for (let i = from; i < Math.min(from + each, last); i++) {
        if (numbers[i] === GAP) continue
        if (numbers[i] < lowest) { lowest = numbers[i]; at[0] = i }
        if (numbers[i] > highest) { highest = numbers[i]; at[1] = i }
      }
      if (highest < 0) {
        points.t.push(curve.start + from * step)
        points.y.push(NaN)
      } else if (each === 1 || lowest === highest) {
        points.t.push(curve.start + at[0] * step)
        points.y.push(value(lowest))
      } else {
        const pair = [[at[0], lowest], [at[1], highest]].sort((a, b) => a[0] - b[0])
        for (const [i, number] of pair) {
          points.t.push(curve.start + i * step)
          points.y.push(value(number))
        }
      }
    }
    return points
  }

  function boxes(track, start, end, width) {
    const perPixel = (end - start) / width
    const columns = { left: [], right: [], bottom: [], top: [], colour: [], alpha: [], name: [], confidence: [], label: [] }
    const nextInRow = {} // where the box after begins, from the right
    for (let i = track.start.length - 1; i >= 0; i--) {
      const left = track.start[i] / 1000, right = track.end[i] / 1000, row = track.row[i]
      const room = (nextInRow[row] ?? Infinity) - left // a name may end beyond its box, and never over another one
      nextInRow[row] = left
      if (right < start || left > end) continue
      const colour = track.colour[i] < 0 ? data.colours[0] : data.colours[track.colour[i] % data.colours.length]
      const fits = pen.measureText(track.name[i]).width + 6 <= room / perPixel
      columns.left.push(left)
      columns.right.push(Math.max(right, left + perPixel))
      columns.bottom.push(row - 0.42)
      columns.top.push(row + 0.42)
      columns.colour.push(colour)
      columns.alpha.push(0.12 + 0.4 * Math.min(1, Math.max(0, track.confidence[i])))
      columns.name.push(track.name[i])
      columns.confidence.push(track.confidence[i])
      columns.label.push(fits ? track.name[i] : "")
    }
    return columns
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
    const cursor = element("cursor"), share = (time() - times.start) / (times.end - times.start)
    element("clock").textContent = clock(time())
    const left = panel.outer_width - panel.inner_width - panel.min_border_right
    const across = (part) => `${left + part * panel.inner_width - 1}px`
    cursor.hidden = !(share >= 0 && share <= 1)
    cursor.style.left = across(share)
    cursor.style.top = overview ? `${overview.height}px` : "0"
    element("place").hidden = !overview
    element("place").style.left = across(Math.min(1, time() / data.duration))
    for (const map of data.maps) {
      const { x, y, t } = model(map.source).data
      let near = 0
      for (let i = 1; i < t.length; i++) if (Math.abs(t[i] - time()) < Math.abs(t[near] - time())) near = i
      model(map.now).data = t.length ? { x: [x[near]], y: [y[near]] } : { x: [], y: [] }
    }
  }

  function seek(seconds) {
    now = Math.min(Math.max(seconds, 0), data.duration)
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

  function runs() {
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
    f: () => element("follow").click(),
    d: () => element("theme").click(),
  }

  function listen() {
    document.addEventListener("keydown", (event) => {
      const act = keys[event.key]
      if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return
      event.preventDefault()
      event.stopPropagation()
      if (event.target.blur) event.target.blur()
      act(event)
    }, true)
    element("play").onclick = play
    element("in").onclick = () => zoom(0.5)
    element("out").onclick = () => zoom(2)
    element("all").onclick = () => show(0, data.duration)
    element("theme").onclick = () => paint(!document.documentElement.classList.contains("dark"))
    if (player) {
      player.addEventListener("play", () => { element("play").textContent = "pause"; runs() })
      player.addEventListener("pause", () => { element("play").textContent = "play" })
      for (const name of ["seeked", "timeupdate", "loadedmetadata"]) player.addEventListener(name, moveCursor)
    }
    for (const each of models()) {
      if (each.type === "Figure" && (each.name === "panel" || each.name === "overview")) {
        each.on_event("tap", (event) => {
          seek(event.x)
          if (each.name === "overview") show(event.x - (times.end - times.start) / 2, times.end - times.start)
        })
      }
    }
    for (const part of ["start", "end"]) times.properties[part].change.connect(refresh)
    panel.properties.inner_width.change.connect(refresh)
  }

  // --- maps of embeddings ---

  const cividis = (share) => {
    // From blue over grey to yellow: all eyes see it grow lighter.
    const stops = [[0, 32, 77], [87, 93, 109], [124, 123, 120], [165, 156, 116], [255, 234, 70]]
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1), from = Math.min(Math.floor(place), stops.length - 2)
    const part = place - from
    return "rgb(" + stops[from].map((low, i) => Math.round(low + part * (stops[from + 1][i] - low))).join(",") + ")"
  }

  function colourMaps() {
    const chosen = element("colouring").value, track = data.segments.find((each) => each.id === chosen)
    const names = track ? [...new Set(track.name)] : []
    for (const map of data.maps) {
      const source = model(map.source)
      source.data.colour = source.data.t.map((t) => {
        if (!track) return cividis(t / data.duration)
        const at = track.start.findIndex((start, i) => start <= 1000 * t && 1000 * t < track.end[i])
        return at < 0 ? "#999999" : data.colours[names.indexOf(track.name[at]) % data.colours.length]
      })
      source.change.emit()
    }
  }

  function dimMaps() {
    for (const map of data.maps) {
      const source = model(map.source)
      source.data.alpha = source.data.t.map((t) => (t >= times.start && t <= times.end ? 0.95 : 0.15))
      source.change.emit()
    }
  }

  function brush() {
    const select = element("colouring")
    for (const name of ["time", ...data.segments.map((track) => track.id)]) select.add(new Option(name, name))
    select.onchange = colourMaps
    for (const map of data.maps) {
      const source = model(map.source)
      source.selected.properties.indices.change.connect(() => {
        const chosen = source.selected.indices.map((i) => source.data.t[i])
        model(map.marks).data = { left: chosen.map((t) => t - map.half), right: chosen.map((t) => t + map.half) }
        element("chosen").textContent = `${chosen.length} of ${source.data.t.length} moments are marked above`
      })
      model(map.panel).on_event("tap", (event) => {
        const { x, y, t } = source.data
        const frame = model(map.panel), wide = frame.x_range.end - frame.x_range.start
        const far = (i) => Math.hypot(x[i] - event.x, y[i] - event.y)
        let near = 0
        for (let i = 1; i < t.length; i++) if (far(i) < far(near)) near = i
        if (t.length && far(near) < wide / 40) {
          seek(t[near])
          show(t[near] - (times.end - times.start) / 2, times.end - times.start)
        }
      })
    }
    colourMaps()
  }

  // --- light and dark ---

  function paint(dark) {
    document.documentElement.classList.toggle("dark", dark)
    element("theme").textContent = dark ? "light" : "dark"
    const style = getComputedStyle(document.documentElement)
    const [paper, ink, line] = ["--paper", "--ink", "--line"].map((name) => style.getPropertyValue(name).trim())
    const looks = {
      Figure: { background_fill_color: paper, border_fill_color: paper, outline_line_color: line, border_line_color: null },
      Title: { text_color: ink },
      Legend: { label_text_color: ink, background_fill_color: paper, border_line_color: null },
      Grid: { grid_line_color: line },
      LinearAxis: {
        axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: line, major_tick_line_color: line,
        minor_tick_line_color: null,
      },
      Text: { text_color: ink },
    }
    for (const each of models()) if (looks[each.type]) each.setv(looks[each.type])
  }

  function begin() {
    if (typeof Bokeh === "undefined" || Bokeh.documents.length === 0) return setTimeout(begin, 20)
    bokeh = Bokeh.documents
    const figures = models().filter((each) => each.type === "Figure")
    panel = figures.find((each) => each.name === "panel")
    overview = figures.find((each) => each.name === "overview")
    if (!panel || !panel.inner_width) return setTimeout(begin, 20)
    times = panel.x_range
    if (overview) model(data.whole_source).data = waveColumns(0, data.duration, Math.max(200, panel.inner_width))
    listen()
    brush()
    paint(matchMedia("(prefers-color-scheme: dark)").matches)
    refresh()
    document.documentElement.dataset.ready = "yes"
  }
  begin()
  return { seek, show, zoom, time, clock, tick, range: () => [times.start, times.end], data, model }
})()
