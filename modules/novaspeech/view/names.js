// Names beside the panels, the bar that folds them, light and dark.

function fold() {
  const bar = element("fold")
  const chip = (name, key, open, turn) => {
    const button = Object.assign(document.createElement("button"), { textContent: name, title: name, ariaPressed: open })
    button.dataset.panel = key
    button.onclick = () => {
      button.ariaPressed = button.ariaPressed !== "true"
      turn(button.ariaPressed === "true")
      placeNames()
    }
    bar.append(button)
  }
  for (const { id, name } of data.panels) chip(name, name, model(id).visible, (open) => { model(id).visible = open })
  if (data.maps.length) {
    element("maps").hidden = data.folded
    chip("map", "maps", !data.folded, (open) => { element("maps").hidden = !open })
  }
}

function writeNames() {
  for (const each of data.panels) {
    each.box = Object.assign(document.createElement("div"), { className: each.rows ? "names rows" : "names" })
    for (const { text, title, colour, lines, dashed } of each.names) {
      const name = Object.assign(document.createElement(lines.length ? "button" : "span"), { textContent: text, title })
      if (lines.length) {
        name.style.setProperty("--colour", colour)
        name.classList.toggle("dashed", dashed)
        name.ariaPressed = true
        name.onclick = () => {
          name.ariaPressed = name.ariaPressed !== "true"
          for (const line of lines) model(line).visible = name.ariaPressed === "true"
        }
      }
      each.box.append(name)
    }
    element("times").append(each.box)
  }
}

function placeNames() {
  let top = 0
  for (const { id, box, height } of data.panels) {
    box.hidden = !model(id).visible
    box.style.top = `${top}px`
    box.style.height = `${height}px`
    if (!box.hidden) top += height
  }
  moveCursor()
}

function paint(dark) {
  document.documentElement.classList.toggle("dark", dark)
  element("theme").textContent = dark ? "light" : "dark"
  const style = getComputedStyle(document.documentElement)
  const [paper, ink, line] = ["--paper", "--ink", "--line"].map((name) => style.getPropertyValue(name).trim())
  const looks = {
    Figure: { background_fill_color: paper, border_fill_color: paper, outline_line_color: line },
    Title: { text_color: ink },
    Grid: { grid_line_color: line },
    LinearAxis: {
      axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: line, major_tick_line_color: line,
      minor_tick_line_color: null,
    },
    Text: { text_color: ink },
  }
  for (const each of models()) if (looks[each.type]) each.setv(looks[each.type])
}
