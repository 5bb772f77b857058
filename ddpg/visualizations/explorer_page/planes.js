// The planes: a row of panels for each training, and for the difference between two.

// One plane: its panel, the row's planes by name, and limits of their colours.
class PlaneView {
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.canvas = element("canvas", { className: "plane" });
    this.bar = element("canvas", { className: "bar-of-colours" });
    this.canvas.setAttribute("aria-hidden", "true");
    this.bar.setAttribute("aria-hidden", "true");
    this.title = element("figcaption");
    this.figure = element("figure", {}, this.title, this.canvas, this.bar);
    this.ground = document.createElement("canvas"); // the plane with its axes, without what moves on it
    this.picture = document.createElement("canvas"); // a pixel for each cell
    this.rememberLimits = remembered();
  }

  get frame() {
    const { clientWidth, clientHeight } = this.canvas, { nX, nY } = this.row.planes();
    const height = clientHeight - 42;
    return new Frame(44, 4, clientWidth - 48, height, edges(limitsOf(state.x), nX),
      state.y === null ? [-0.5, 0.5] : edges(limitsOf(state.y), nY));
  }

  draw() {
    const planes = this.row.planes(), colours = colourMaps[this.row.colours ?? this.panel.colours];
    const limitsKey = [...state.shown, state.x, state.y, state.action, state.scale === "frame" && planes.key].join();
    const limits = this.rememberLimits(limitsKey, () => this.row.limits(this.panel));
    const { frame } = this, ground = [planes.key, ...limits].join();
    drawUnlessShown(this.bar, limits.join(), () => drawColourBar(this.bar, limits, colours));
    drawUnlessShown(this.canvas, `${ground} ${this.row.keyOfMoving()}`, () => {
      this.drawGround(ground, frame, planes, limits, colours);
      const { context, width, height } = prepared(this.canvas);
      context.drawImage(this.ground, 0, 0, width, height);
      context.drawImage(this.row.moving(frame, width, height), 0, 0, width, height);
    });
  }

  drawGround(key, frame, { nX, nY, ...planes }, limits, colours) {
    const { clientWidth, clientHeight } = this.canvas;
    drawUnlessShown(this.ground, [key, clientWidth, clientHeight].join(), () => {
      [this.picture.width, this.picture.height] = [nX, nY];
      const cells = this.picture.getContext("2d"), image = cells.createImageData(nX, nY);
      cells.putImageData(coloured(planes[this.panel.name], nX, nY, limits, colours, image), 0, 0);
      const { context } = prepared(this.ground, clientWidth, clientHeight);
      context.imageSmoothingEnabled = false;
      context.drawImage(this.picture, frame.left, frame.top, frame.width, frame.height);
      const xTicks = Math.max(2, Math.floor(frame.width / 44));
      frame.drawAxes(context, { grid: false, xTicks, yTicks: state.y === null ? 0 : 5 });
      this.drawNames(context, frame);
    });
  }

  drawNames(context, frame) {
    context.fillStyle = theme.soft;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.fillText(dimensions[state.x].name, frame.left + frame.width / 2, this.canvas.clientHeight);
    if (state.y === null) return;
    context.save();
    context.translate(10, frame.top + frame.height / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = "middle";
    context.fillText(dimensions[state.y].name, 0, 0);
    context.restore();
  }
}

// Outer edges of cells that are centred on evenly spaced values from one limit to the other.
function edges([low, high], n) {
  const half = n > 1 ? (high - low) / (n - 1) / 2 : (high - low) / 2;
  return [low - half, high + half];
}

function drawPath(context, frame, { episode, steps, colour }) {
  const points = Array.from({ length: steps + 1 }, (_, i) => pointOfPath(frame, episode, i));
  for (const [style, width] of [["rgba(255,255,255,0.7)", 2.6], [colour, 1.3]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    polyline(context, points);
  }
  context.fillStyle = colour;
  context.strokeStyle = "white";
  context.lineWidth = 1.5;
  marker(context, "circle", ...points.at(-1), 4.5);
}

function pointOfPath(frame, episode, i) {
  const start = i * dimensions.length;
  return [
    frame.toX(episode.observations[start + state.x]),
    frame.toY(state.y === null ? 0 : episode.observations[start + state.y]),
  ];
}

function drawCrosshair(context, frame) {
  const x = frame.toX(state.point[state.x]), y = frame.toY(state.y === null ? 0 : state.point[state.y]);
  if (!frame.contains(x, y)) return;
  for (const [style, width] of [["rgba(0,0,0,0.75)", 4], ["white", 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      line(context, x + 4 * dx, y + 4 * dy, x + 10 * dx, y + 10 * dy);
    }
  }
}

// A row of planes: those of a training, or the difference between two.
class PlaneRow {
  constructor({ heading, isFirst, colour, planes, limits, colours, paths }) {
    Object.assign(this, { planes, limits, colours, paths });
    this.views = PANELS.map(panel => new PlaneView(panel, this));
    this.overlay = document.createElement("canvas");
    this.element = element("div", {});
    if (heading) {
      const title = element("h3", {}, heading);
      title.style.borderColor = colour;
      this.element.append(title);
    }
    this.element.append(element("div", { className: "row" }, ...this.views.map(view => view.figure)));
    this.describe(heading, isFirst);
  }

  describe(heading, isFirst) {
    const plane = [state.x, ...(state.y === null ? [] : [state.y])].map(i => dimensions[i].name).join(" and ");
    for (const { panel, title } of this.views) {
      title.replaceChildren(panel.title, ...(isFirst ? [element("small", {}, panel.note(actionName()))] : []));
    }
    const { canvas } = this.views[0];
    canvas.removeAttribute("aria-hidden");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    const label = `plane of ${plane}; the arrow keys move the chosen state`;
    canvas.setAttribute("aria-label", heading ? `${heading}: ${label}` : label);
  }

  keyOfMoving() {
    const paths = this.pathsShown().map(({ episode, steps }) => `${episode.id} ${steps}`);
    return [...state.point, state.x, state.y, ...paths].join();
  }

  pathsShown() {
    return state.withPaths ? this.paths() : [];
  }

  // The paths and the chosen state, which all planes of the row show: drawn once.
  moving(frame, width, height) {
    drawUnlessShown(this.overlay, [this.keyOfMoving(), width, height, ...frame.x].join(), () => {
      const { context } = prepared(this.overlay, width, height);
      frame.clipped(context, () => this.pathsShown().forEach(path => drawPath(context, frame, path)));
      drawCrosshair(context, frame);
    });
    return this.overlay;
  }

  draw() {
    for (const view of this.views) view.draw();
  }
}

function rowOfTraining(place) {
  return new PlaneRow({
    heading: state.shown.length > 1 ? trainings[place].name : "",
    isFirst: place === state.shown[0],
    colour: trainingColour(place),
    planes: () => planesOf(place),
    limits: limitsOfPanel,
    paths: () => pathsOf(place),
  });
}

function rowOfDifference(place) {
  const [baseline] = state.shown, remember = remembered();
  return new PlaneRow({
    heading: `Difference: ${trainings[place].name} less ${trainings[baseline].name}`,
    colour: theme.soft,
    planes: () => remember([baseline, place].map(keyOfPlanes).join(), () => differenceOf(baseline, place)),
    limits: panel => differenceLimits(panel, place),
    colours: "PuOr",
    paths: () => [],
  });
}

// The paths that the planes of a training show: of the training and the test episode, or of an evaluation episode.
function pathsOf(place) {
  const training = trainings[place];
  if (state.kind === "evaluation" && training.episodes.evaluation.length) {
    const { episode, cursor } = episodeShown();
    return place === state.focus ? [{ episode, steps: cursor, colour: theme.evaluation }] : [];
  }
  const episode = trainingEpisode(training), test = testEpisode(training);
  const steps = Math.min(episode.steps, Math.max(0, Math.floor(state.step) - episode.firstStep));
  const isFollowed = state.kind === "test" && place === state.focus;
  return [
    ...(test ? [{ episode: test, steps: isFollowed ? episodeShown().cursor : test.steps, colour: theme.test }] : []),
    { episode, steps, colour: theme.training },
  ].filter(path => path.episode.isKept);
}

