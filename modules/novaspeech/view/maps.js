// Maps of embeddings.

const cividis = (share) => {
  // From blue over grey to yellow: all eyes see it grow lighter.
  const stops = [[0, 32, 77], [87, 93, 109], [124, 123, 120], [165, 156, 116], [255, 234, 70]]
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1), from = Math.min(Math.floor(place), stops.length - 2)
  const part = place - from
  return "rgb(" + stops[from].map((low, i) => Math.round(low + part * (stops[from + 1][i] - low))).join(",") + ")"
}

function colourMaps() {
  const track = data.segments.find((each) => each.id === element("colouring").value)
  const names = track ? [...new Set(track.name)] : [], colour = (name) => data.colours[names.indexOf(name) % data.colours.length]
  for (const map of data.maps) {
    const source = model(map.source)
    source.data.colour = source.data.t.map((t) => {
      if (!track) return cividis(t / data.duration)
      const at = track.start.findIndex((start, i) => start <= 1000 * t && 1000 * t < track.end[i])
      return at < 0 ? "#999999" : colour(track.name[at])
    })
    source.change.emit()
  }
  const MOST = 12 // names of the legend
  const entries = track ? [...names.slice(0, MOST).map((name) => [colour(name), name]), ["#999999", "none"]]
    : [0, 0.5, 1].map((share) => [cividis(share), clock(share * data.duration).slice(0, -4)])
  if (names.length > MOST) entries.splice(MOST, 0, ["transparent", `and ${names.length - MOST} more, in the same colours`])
  element("colours").replaceChildren(...entries.flatMap(([shade, text]) => {
    const swatch = document.createElement("i")
    swatch.style.setProperty("--colour", shade)
    return [swatch, text]
  }))
}

function dimMaps() {
  for (const map of data.maps) {
    const source = model(map.source)
    source.data.alpha = source.data.t.map((t) => (t >= times.start && t <= times.end ? 0.95 : 0.15))
    source.change.emit()
  }
}

function markNow() {
  for (const map of data.maps) {
    const { x, y, t } = model(map.source).data
    let near = 0
    for (let i = 1; i < t.length; i++) if (Math.abs(t[i] - time()) < Math.abs(t[near] - time())) near = i
    model(map.now).data = t.length ? { x: [x[near]], y: [y[near]] } : { x: [], y: [] }
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
