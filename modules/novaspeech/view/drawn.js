// What is in view, in no more detail than there are pixels.

const GAP = 65535
const pen = document.createElement("canvas").getContext("2d")
pen.font = "12px helvetica, arial, sans-serif" // as figures.py has it

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
const data = JSON.parse(document.getElementById("data").textContent)
for (const curve of data.curves) curve.numbers = new Uint16Array(bytes(curve.values).buffer)
if (data.wave) {
  data.wave.lows = new Int8Array(bytes(data.wave.low).buffer)
  data.wave.highs = new Int8Array(bytes(data.wave.high).buffer)
}

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
  // Of many numbers in three pixels their mean, and the lowest and the highest, so that no peak is lost.
  const { numbers, step, low, high } = curve
  const value = (number) => low + ((high - low) * number) / (GAP - 1)
  const first = Math.max(0, Math.floor((start - curve.start) / step) - 1)
  const last = Math.min(numbers.length, Math.ceil((end - curve.start) / step) + 2)
  const each = Math.max(1, Math.floor((3 * (last - first)) / width))
  const points = { t: [], y: [], left: [], right: [], low: [], high: [] }
  for (let from = first - (first % each); from < last; from += each) {
    const here = numbers.subarray(from, from + each).filter((number) => number !== GAP)
    const any = here.length > 0
    const begin = curve.start + (from - 0.5) * step
    points.t.push(begin + (each / 2) * step)
    points.left.push(begin)
    points.right.push(begin + each * step)
    points.y.push(any ? value(here.reduce((sum, number) => sum + number, 0) / here.length) : NaN)
    points.low.push(any ? value(Math.min(...here)) : NaN)
    points.high.push(any ? value(Math.max(...here)) : NaN)
  }
  return points
}

function fitting(text, room) {
  // A text with an ellipsis where it must end; nothing if not even a letter has room.
  const width = pen.measureText(text).width
  if (width <= room) return text
  const letters = [...text]
  let kept = Math.floor((letters.length * Math.max(room, 0)) / width)
  const shortened = () => letters.slice(0, kept).join("") + "…"
  while (kept > 0 && pen.measureText(shortened()).width > room) kept--
  return kept > 0 ? shortened() : ""
}

function boxes(track, start, end, width) {
  const perPixel = (end - start) / width, [faintest, strongest] = data.opacity
  const fields = ["left", "right", "bottom", "top", "colour", "alpha", "edge", "name", "confidence", "label", "at"]
  const columns = Object.fromEntries(fields.map((field) => [field, []]))
  const nextInRow = {} // where the box after begins, from the right
  for (let i = track.start.length - 1; i >= 0; i--) {
    const left = track.start[i] / 1000, right = track.end[i] / 1000, row = track.row[i], next = nextInRow[row] ?? Infinity
    nextInRow[row] = left
    if (right < start || left > end) continue
    const at = Math.min(Math.max(left, start), right) // a name is in view while its box is
    const box = {
      left,
      right: Math.max(right, Math.min(left + perPixel, next)), // a lonely box has a pixel
      bottom: row - 0.42,
      top: row + 0.42,
      colour: data.colours[Math.max(track.colour[i], 0) % data.colours.length],
      alpha: faintest + (strongest - faintest) * Math.min(1, Math.max(0, track.confidence[i])),
      edge: next - left > 4 * perPixel ? 1 : 0, // edges of crowded boxes would hide all else
      name: track.name[i],
      confidence: track.confidence[i],
      label: fitting(track.name[i], (Math.min(right, end) - at) / perPixel - 6),
      at,
    }
    for (const field of fields) columns[field].push(box[field])
  }
  return columns
}
