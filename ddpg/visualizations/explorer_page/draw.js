// Drawing on canvases: sizes, axes, colours and numbers; and elements of the page.

const MARGIN = 16; // to the right of a chart
const FONT = "12px system-ui, sans-serif";

// The page's colours, which change with its light and dark mode.
const theme = {};
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "line", "accent", "training", "test", "validation", "evaluation"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

const TRAINING_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

// The colour of a training, which is drawn alone in the page's ink.
function trainingColour(place) {
  return state.shown.length > 1 ? TRAINING_COLOURS[place % TRAINING_COLOURS.length] : theme.ink;
}

// A number with up to three significant digits, all digits of large ones, and a typographic minus.
function show(number, digits = 3) {
  if (!Number.isFinite(number)) return "–";
  const text = Math.abs(number) >= 10 ** (digits - 1)
    ? Math.round(number).toLocaleString("en-US")
    : String(Number(number.toPrecision(digits)));
  return text.replace("-", "−").replace(/^−0$/, "0");
}

// Round numbers between two limits, at least so far from each other: 1 for what is counted.
function ticks(low, high, most, least = 0) {
  const span = high - low, unit = 10 ** Math.floor(Math.log10(span / most));
  const step = Math.max(least, [1, 2, 5, 10].map(factor => factor * unit).find(each => span / each <= most));
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

// A canvas whose pixels are the screen's; returns its context with units of CSS pixels, cleared.
function prepared(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const scale = window.devicePixelRatio || 1;
  const pixels = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.lineJoin = "round";
  return { context, width, height };
}

// Draws on a canvas unless it shows the same already: what the key names, in this size and these colours.
function drawUnlessShown(canvas, key, draw) {
  const shown = [key, canvas.clientWidth, canvas.clientHeight, theme.ink, window.devicePixelRatio].join("|");
  if (canvas.shown === shown) return;
  canvas.shown = shown;
  draw();
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A rectangle of a canvas with linear scales: x and y are [low, high], the y axis points up.
class Frame {
  constructor(left, top, width, height, x, y) {
    Object.assign(this, { left, top, width, height, x, y });
  }

  toX(value) { return this.left + (value - this.x[0]) / (this.x[1] - this.x[0]) * this.width; }
  toY(value) { return this.top + (this.y[1] - value) / (this.y[1] - this.y[0]) * this.height; }
  fromX(pixel) { return this.x[0] + (pixel - this.left) / this.width * (this.x[1] - this.x[0]); }
  fromY(pixel) { return this.y[1] - (pixel - this.top) / this.height * (this.y[1] - this.y[0]); }

  contains(x, y) {
    return x >= this.left && x <= this.left + this.width && y >= this.top && y <= this.top + this.height;
  }

  // Numbers along both axes, with light lines if they are asked for, and at whole numbers where x is a count.
  drawAxes(context, { xTicks, yTicks, grid = true, isCount = false }) {
    const { left, top, width, height } = this;
    context.lineWidth = 1;
    context.strokeStyle = theme.line;
    context.fillStyle = theme.soft;
    context.textBaseline = "top";
    for (const value of xTicks ? ticks(...this.x, xTicks, isCount ? 1 : 0) : []) {
      const x = Math.round(this.toX(value)) + 0.5;
      if (grid) line(context, x, top, x, top + height); else line(context, x, top + height, x, top + height + 4);
      context.textAlign = "center";
      const label = show(value), half = context.measureText(label).width / 2;
      context.fillText(label, Math.min(x, left + width + MARGIN - half), top + height + 6);
    }
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const value of yTicks ? ticks(...this.y, yTicks) : []) {
      const y = Math.round(this.toY(value)) + 0.5;
      if (grid) line(context, left, y, left + width, y); else line(context, left - 4, y, left, y);
      context.fillText(show(value), left - 6, y);
    }
    if (!grid) context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
  }

  // Draws what the function draws, but nothing outside of the rectangle.
  clipped(context, draw) {
    context.save();
    context.beginPath();
    context.rect(this.left, this.top, this.width, this.height);
    context.clip();
    draw();
    context.restore();
  }
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function polyline(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => { if (i) context.lineTo(x, y); else context.moveTo(x, y); });
  context.stroke();
}

const CORNERS = {
  triangle: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
  diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
};

// Shapes differ as well as colours.
function marker(context, shape, x, y, radius) {
  context.beginPath();
  if (shape === "circle") context.arc(x, y, radius, 0, 2 * Math.PI);
  else if (shape === "square") context.rect(x - radius * 0.85, y - radius * 0.85, 1.7 * radius, 1.7 * radius);
  else {
    const corners = CORNERS[shape];
    corners.forEach(([dx, dy], i) => context[i ? "lineTo" : "moveTo"](x + dx * radius, y + dy * radius));
    context.closePath();
  }
  context.fill();
  context.stroke();
}

// Values of (nY, nX), the lowest row first, as an image of nX times nY pixels, the highest row first.
function coloured(values, nX, nY, [low, high], colours, image) {
  const pixels = image.data;
  for (let row = 0, i = 0; row < nY; row++) {
    for (let column = 0, to = 4 * (nY - 1 - row) * nX; column < nX; column++, i++, to += 4) {
      const share = (values[i] - low) / (high - low);
      const from = 3 * Math.min(255, Math.max(0, Math.floor(256 * share)));
      for (let channel = 0; channel < 3; channel++) pixels[to + channel] = colours[from + channel];
      pixels[to + 3] = Number.isNaN(share) ? 0 : 255;
    }
  }
  return image;
}

function drawColourBar(canvas, [low, high], colours) {
  const { context, width, height } = prepared(canvas), bar = height - 16;
  for (let x = 0; x < width; x++) {
    const from = 3 * Math.min(255, Math.floor(256 * x / width));
    context.fillStyle = `rgb(${colours[from]},${colours[from + 1]},${colours[from + 2]})`;
    context.fillRect(x, 0, 1, bar);
  }
  context.fillStyle = theme.soft;
  context.textBaseline = "bottom";
  for (const [share, align] of [[0, "left"], [0.5, "center"], [1, "right"]]) {
    context.textAlign = align;
    context.fillText(show(low + share * (high - low), 2), share * width, height);
  }
}
