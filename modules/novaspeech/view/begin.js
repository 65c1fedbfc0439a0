function begin() {
  if (typeof Bokeh === "undefined" || Bokeh.documents.length === 0) return setTimeout(begin, 20)
  bokeh = Bokeh.documents
  const figures = models().filter((each) => each.type === "Figure")
  panel = figures.find((each) => each.name === "axis")
  overview = figures.find((each) => each.name === "overview")
  if (!panel || !panel.inner_width) return setTimeout(begin, 20)
  times = panel.x_range
  if (overview) model(data.whole_source).data = waveColumns(0, data.duration, Math.max(200, panel.inner_width))
  listen()
  brush()
  writeNames()
  fold()
  seek(data.first)
  list()
  placeNames()
  paint(matchMedia("(prefers-color-scheme: dark)").matches)
  refresh()
  document.documentElement.dataset.ready = "yes"
}
begin()
return { seek, show, zoom, time, clock, tick, range: () => [times.start, times.end], data, model }
