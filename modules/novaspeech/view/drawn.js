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
  const columns = { left: [], right: [], bottom: [], top: [], colour: [], alpha: [], name: [], confidence: [], label: [], at: [] }
  track.start.forEach((begin, i) => {
    const left = begin / 1000, right = track.end[i] / 1000, row = track.row[i]
    if (right < start || left > end) return
    const at = Math.min(Math.max(left, start), right) // a name is in view while its box is
    columns.left.push(left)
    columns.right.push(Math.max(right, left + perPixel))
    columns.bottom.push(row - 0.42)
    columns.top.push(row + 0.42)
    columns.colour.push(data.colours[Math.max(track.colour[i], 0) % data.colours.length])
    columns.alpha.push(faintest + (strongest - faintest) * Math.min(1, Math.max(0, track.confidence[i])))
    columns.name.push(track.name[i])
    columns.confidence.push(track.confidence[i])
    columns.label.push(fitting(track.name[i], (Math.min(right, end) - at) / perPixel - 6))
    columns.at.push(at)
  })
  return columns
}
