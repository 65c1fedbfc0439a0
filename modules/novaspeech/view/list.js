// The list of segments: next, previous, and one of them in a loop.

let listed = [], chosen = null // segments of the list, in seconds, and one of them
const looped = () => element("loop").checked && chosen

function fill() {
  const track = data.segments.find((each) => each.id === element("of").value), sought = element("search").value.toLowerCase()
  const [id, all] = [track.id, track.start.length]
  listed = track.start
    .map((start, i) => ({ id, i, start: start / 1000, end: track.end[i] / 1000, name: track.name[i], confidence: track.confidence[i] }))
    .filter((one) => one.name.toLowerCase().includes(sought))
    .sort((a, b) => a.start - b.start)
  element("segments").replaceChildren(
    ...listed.map((one) => {
      const text = [clock(one.start), one.name, one.confidence.toFixed(2)].join("\u2003")
      return Object.assign(new Option(text), { title: `${one.name}: ${clock(one.start)} to ${clock(one.end)}` })
    }),
  )
  element("segments").size = Math.min(Math.max(listed.length, 2), 60)
  element("count").textContent = listed.length === all ? `${all} segment${all === 1 ? "" : "s"}` : `${listed.length} of ${all}`
  choose(listed.findIndex((one) => chosen && one.id === chosen.id && one.i === chosen.i))
}

function choose(index) {
  chosen = listed[index] ?? null
  element("segments").selectedIndex = index
  moveCursor()
}

function go(index) {
  // To a segment's begin; the view moves, and grows, as far as is needed to show it.
  if (!listed[index]) return
  choose(index)
  const length = Math.max(times.end - times.start, 1.2 * (chosen.end - chosen.start))
  if (chosen.start < times.start || chosen.end > times.end) show(chosen.start - length / 10, length)
  seek(chosen.start)
}

function step(by) {
  // From the chosen segment while it is heard, else from the time.
  const inside = chosen && time() > chosen.start - 0.01 && time() <= chosen.end
  if (inside) go(element("segments").selectedIndex + by)
  else if (by > 0) go(listed.findIndex((one) => one.start > time()))
  else go(listed.findLastIndex((one) => one.start < time()))
}

function pick(panelId, seconds, row) {
  const track = data.segments.find((each) => each.panel === panelId)
  if (!track) return
  const i = track.start.findIndex((start, i) => track.row[i] === row && start <= 1000 * seconds && 1000 * seconds < track.end[i])
  if (i < 0) return
  if (element("of").value !== track.id || !listed.some((one) => one.i === i)) {
    element("of").value = track.id
    element("search").value = ""
    fill()
  }
  choose(listed.findIndex((one) => one.i === i))
}

function list() {
  const tracks = data.segments.filter((track) => track.start.length)
  element("list").hidden = tracks.length === 0
  for (const track of tracks) element("of").add(new Option(track.id))
  if (tracks.length === 0) return
  element("of").value = data.hits
  element("of").onchange = fill
  element("search").oninput = fill
  element("segments").onchange = () => go(element("segments").selectedIndex)
  element("next").onclick = () => step(1)
  element("previous").onclick = () => step(-1)
  fill()
  choose(0)
}
