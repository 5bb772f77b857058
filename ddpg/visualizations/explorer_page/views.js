// The views: each draws one part of the page from the model.

const TRAINING_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const KINDS = {
  training: { shape: "circle", name: "training", note: "with exploration noise" },
  test: { shape: "square", name: "test", note: "the policy alone, one start state" },
  validation: { shape: "triangle", name: "validation", note: "the policy’s mean over fixed start states" },
  evaluation: { shape: "diamond", name: "evaluation", note: "the best policy" },
};
const KIND_NAMES = { training: "Training", test: "Test", evaluation: "Evaluation of the best policy" };

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function actionName() {
  return data.actionNames[state.action];
}

// The colour of a training, which is drawn alone in the page's ink.
function trainingColour(place) {
  return state.shown.length > 1 ? TRAINING_COLOURS[place % TRAINING_COLOURS.length] : theme.ink;
}

// ---- planes

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
      const cells = this.picture.getContext("2d");
      cells.putImageData(coloured(planes[this.panel.name], nX, nY, limits, colours, cells.createImageData(nX, nY)), 0, 0);
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
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) line(context, x + 4 * dx, y + 4 * dy, x + 10 * dx, y + 10 * dy);
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
    canvas.setAttribute("aria-label", `${heading ? `${heading}: ` : ""}plane of ${plane}; the arrow keys move the chosen state`);
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
  const [baseline] = state.shown;
  return new PlaneRow({
    heading: `Difference: ${trainings[place].name} less ${trainings[baseline].name}`,
    colour: theme.soft,
    planes: () => differenceOf(baseline, place),
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

// ---- charts

// A chart with axes; `draw` gets what it needs to add lines.
function drawChart(canvas, { x, y, xName, left = 48, yTicks = 4 }, draw) {
  const { context, width, height } = prepared(canvas), bottom = xName ? 38 : 22;
  const frame = new Frame(left, 8, width - left - 16, height - bottom - 8, x, y);
  frame.drawAxes(context, { yTicks, xTicks: Math.max(2, Math.floor(frame.width / 70)) });
  context.fillStyle = theme.soft;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  if (xName) context.fillText(xName, frame.left + frame.width / 2, height);
  canvas.frame = frame;
  draw(context, frame);
}

// Limits that hold all values with a margin.
function limitsAround(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [-1, 1];
  const margin = 0.06 * (high - low) || Math.max(1e-3, 0.1 * Math.abs(high));
  return [low - margin, high + margin];
}

function drawCursor(context, frame, x) {
  if (x < frame.x[0] || x > frame.x[1]) return;
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.25;
  line(context, frame.toX(x), frame.top, frame.toX(x), frame.top + frame.height);
}

// Q over the action, with the policy's action and the action of the maximum.
function drawLine() {
  const canvas = document.getElementById("line");
  drawUnlessShown(canvas, [...state.shown, keyOfState()].join(), () => drawLines(canvas, state.shown.map(lineNow)));
}

function drawLines(canvas, lines) {
  const isAlone = lines.length === 1;
  const y = limitsAround(lines.flatMap(each => [...each.q, each.qOfPolicy]));
  const x = [data.actionLow[state.action], data.actionHigh[state.action]];
  drawChart(canvas, { x, y, xName: actionName() }, (context, frame) => {
    lines.forEach(({ line: actions, q, qOfPolicy, policy }, i) => {
      const colour = trainingColour(state.shown[i]);
      context.strokeStyle = colour;
      context.lineWidth = 2;
      polyline(context, actions.map((action, j) => [frame.toX(action), frame.toY(q[j])]));
      const now = stateNow(state.shown[i]);
      context.strokeStyle = theme.paper;
      context.lineWidth = 1.5;
      context.fillStyle = isAlone ? theme.soft : colour;
      marker(context, "diamond", frame.toX(now.actionAtQMax[0]), frame.toY(now.qMax[0]), 5);
      context.fillStyle = isAlone ? theme.accent : colour;
      marker(context, "circle", frame.toX(policy[state.action]), frame.toY(qOfPolicy), 5.5);
    });
  });
}

// A number of the chosen state over all moments; it is held from one moment with weights to the next.
function drawHistory(canvas, name, yLimits) {
  const histories = state.shown.map(historyOfState);
  const y = yLimits ?? limitsAround(histories.flatMap(history => history[name]));
  const key = [...state.shown, ...histories.map(({ key, stride }) => `${key} ${stride}`), Math.floor(state.step)].join();
  drawUnlessShown(canvas, key, () => drawChart(canvas, { x: [0, lastStep], y, xName: "agent step" }, (context, frame) => {
    histories.forEach(({ steps, [name]: values }, i) => {
      const points = [];
      values.forEach((value, j) => {
        const end = steps[j + 1] ?? Math.max(steps[j], trainings[state.shown[i]].nSteps);
        points.push([frame.toX(steps[j]), frame.toY(value)], [frame.toX(end), frame.toY(value)]);
      });
      context.strokeStyle = trainingColour(state.shown[i]);
      context.lineWidth = 1.75;
      polyline(context, points);
    });
    drawCursor(context, frame, Math.floor(state.step));
  }));
}

function drawState() {
  const action = actionName();
  drawLine();
  drawHistory(document.getElementById("q-history"), "qMax");
  drawHistory(document.getElementById("policy-history"), "policy",
    limitsAround([data.actionLow[state.action], data.actionHigh[state.action]]));
  setText(document.getElementById("line-title"), `Q over ${action}`);
  setText(document.getElementById("policy-title"), `Policy (${action}) over the training`);
  drawReadout();
}

// Rows of the table: a label and a number of each training.
function readoutRows() {
  const action = actionName();
  const now = state.shown.map(stateNow), lines = state.shown.map(lineNow);
  return [
    [`Policy: ${action}`, now.map(each => each.policy[0])],
    ["Q of the policy’s action", lines.map(each => each.qOfPolicy)],
    ["Q max", now.map(each => each.qMax[0])],
    [`${action} at Q max`, now.map(each => each.actionAtQMax[0])],
    [`Spread of Q over ${action}`, now.map(each => each.spread[0])],
    [`dQ/d ${action}`, now.map(each => each.gradient[0])],
  ];
}

function drawReadout() {
  const table = document.getElementById("readout"), rows = readoutRows();
  readoutTable([...state.shown, state.action].join(), () => buildReadout(table, rows));
  const cells = table.querySelectorAll("td");
  rows.flatMap(([, values]) => values).forEach((value, i) => setText(cells[i], show(value, 4)));
}

const readoutTable = remembered();

function buildReadout(table, rows) {
  const heads = state.shown.length > 1
    ? [element("tr", {}, element("th"), ...state.shown.map(place => element("th", { scope: "col" }, trainings[place].name)))]
    : [];
  table.replaceChildren(...heads, ...rows.map(([label, values]) =>
    element("tr", {}, element("th", { scope: "row" }, label), ...values.map(() => element("td")))));
}

// ---- returns

// All returns of a training: its points by kind, with what a click goes to.
function returnsOf(training) {
  const { episodes } = training;
  return {
    training: episodes.training,
    test: episodes.test,
    validation: training.validation,
  };
}

// Returns that hold all but far outliers, and the threshold.
function returnLimits(scores) {
  const finite = Float64Array.from(scores).sort();
  const [low, high] = [percentile(finite, 0.05), percentile(finite, 0.95)], far = (high - low) / 4;
  const marks = [Math.max(finite[0], low - far), Math.min(finite.at(-1), high + far)];
  if (data.rewardThreshold !== null) marks.push(data.rewardThreshold);
  return limitsAround(marks);
}

const returnsY = remembered();

function drawReturns(canvas, place) {
  const current = trainingEpisode(trainings[place]);
  drawUnlessShown(canvas, [...state.shown, current.number].join(), () => drawAllReturns(canvas, place, current));
}

function drawAllReturns(canvas, place, current) {
  const training = trainings[place], returns = returnsOf(training);
  const y = returnsY(state.shown.join(), () => returnLimits(
    state.shown.flatMap(i => Object.values(returnsOf(trainings[i])).flatMap(all => all.map(({ score }) => score)))));
  const last = Math.max(...state.shown.map(i => trainings[i].episodes.training.at(-1).number));
  canvas.setAttribute("aria-valuenow", current.number);
  canvas.setAttribute("aria-valuemax", last);
  canvas.setAttribute("aria-valuetext", `episode ${current.number}: ${Object.entries(returns).flatMap(([kind, all]) => all
    .filter(({ number }) => number === current.number).map(({ score }) => `${kind} ${show(score)}`)).join(", ")}`);
  drawChart(canvas, { x: [0.5, last + 0.5], y, xName: "episode" }, (context, frame) => {
    if (data.rewardThreshold !== null) {
      context.strokeStyle = theme.soft;
      context.setLineDash([5, 4]);
      line(context, frame.left, frame.toY(data.rewardThreshold), frame.left + frame.width, frame.toY(data.rewardThreshold));
      context.setLineDash([]);
    }
    context.fillStyle = theme.line;
    const width = Math.max(frame.width / last, 5);
    context.globalAlpha = 0.7;
    context.fillRect(frame.toX(current.number) - width / 2, frame.top, width, frame.height);
    context.globalAlpha = 1;
    const radius = last > 60 ? 3 : 4;
    for (const [kind, points] of Object.entries(returns)) {
      context.fillStyle = theme[kind];
      context.strokeStyle = theme.paper;
      context.lineWidth = 1;
      for (const { number, score } of points) {
        const shown = Math.min(Math.max(score, y[0]), y[1]);
        marker(context, KINDS[kind].shape, frame.toX(number), frame.toY(shown), number === current.number ? radius + 2 : radius);
      }
    }
  });
}

// ---- step by step

// What is drawn of an episode: names, values and the limits that hold those of all episodes.
const traces = remembered();
function tracesShown() {
  return traces(String(state.focus), () => {
    const all = Object.values(trainings[state.focus].episodes).flat();
    const column = (name, width, i) => ({
      values: episode => every(episode[name], width, i),
      limits: limitsAround(all.flatMap(episode => [...extremes(every(episode[name], width, i))])),
    });
    return [
      ...dimensions.map(({ name }, i) => ({ name, ...column("observations", dimensions.length, i) })),
      ...data.actionNames.map((name, i) => ({ name, isHeld: true, ...column("actions", actionSize, i) })),
      { name: "reward", isHeld: true, ...column("rewards", 1, 0) },
    ];
  });
}

function every(values, width, i) {
  return Array.from({ length: values.length / width }, (_, row) => values[row * width + i]);
}

function extremes(values) {
  return values.length ? [Math.min(...values), Math.max(...values)] : [];
}

function drawTrace(canvas, trace, episode, cursor) {
  drawUnlessShown(canvas, [episode.id, cursor].join(), () => drawSteps(canvas, trace, episode, cursor));
}

function drawSteps(canvas, { values, limits, isHeld }, episode, cursor) {
  const numbers = values(episode);
  drawChart(canvas, { x: [0, Math.max(1, episode.steps)], y: limits }, (context, frame) => {
    const points = isHeld
      ? numbers.flatMap((value, i) => [[i, value], [i + 1, value]])
      : numbers.map((value, i) => [i, value]);
    context.strokeStyle = theme[state.kind];
    context.lineWidth = 1.6;
    frame.clipped(context, () => polyline(context, points.map(([x, y]) => [frame.toX(x), frame.toY(y)])));
    drawCursor(context, frame, cursor);
  });
}

const ENDS = { goal: "reached the goal", end: "the task ended", limit: "ended by a limit" };

function describeEpisode({ episode, cursor }) {
  if (!episode) return "No test episode yet.";
  const name = state.kind === "evaluation" ? `Evaluation episode ${state.evaluation + 1}`
    : `${KIND_NAMES[state.kind]} episode ${episode.number}`;
  const whose = state.shown.length > 1 ? ` of ${trainings[state.focus].name}` : "";
  const steps = `return ${show(episode.score, 4)} in ${show(episode.steps)} agent steps, ${ENDS[episode.end]}.`;
  if (!episode.isKept) return `${name}${whose}: ${steps} Its steps are not in this page, to keep it small.`;
  const reward = episode.rewards.slice(0, cursor).reduce((sum, each) => sum + each, 0);
  return `${name}${whose}: ${steps} Step ${cursor} of ${episode.steps}, return so far ${show(reward, 4)}.`;
}
