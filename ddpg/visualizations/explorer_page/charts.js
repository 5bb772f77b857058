// The charts: the chosen state, the returns, and an episode step by step.

const KINDS = {
  training: { shape: "circle", name: "training", note: "with exploration noise" },
  test: { shape: "square", name: "test", note: "the policy alone, one start state" },
  validation: { shape: "triangle", name: "validation", note: "the policy’s mean over fixed start states" },
  evaluation: { shape: "diamond", name: "evaluation", note: "the best policy" },
};
const KIND_NAMES = { training: "Training", test: "Test", evaluation: "Evaluation of the best policy" };

// A chart with axes; `draw` gets what it needs to add lines.
function drawChart(canvas, { x, y, xName, isCount = false, left = 48, yTicks = 4 }, draw) {
  const { context, width, height } = prepared(canvas), bottom = xName ? 38 : 22;
  const frame = new Frame(left, 8, width - left - MARGIN, height - bottom - 8, x, y);
  frame.drawAxes(context, { yTicks, xTicks: Math.max(2, Math.floor(frame.width / 70)), isCount });
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

// A number of the chosen state over all moments.
function drawHistory(canvas, name, yLimits) {
  const histories = state.shown.map(historyOfState), step = Math.floor(state.step);
  const keys = histories.map(({ key, stride }) => `${key} ${stride}`);
  const y = yLimits ?? limitsAround(histories.flatMap(history => history[name]));
  drawUnlessShown(canvas, [...state.shown, ...keys, step].join(), () =>
    drawChart(canvas, { x: [0, lastStep], y, xName: "agent step", isCount: true }, (context, frame) => {
      histories.forEach((history, i) => {
        context.strokeStyle = trainingColour(state.shown[i]);
        context.lineWidth = 1.75;
        polyline(context, pointsOfHistory(frame, history.steps, history[name], trainings[state.shown[i]].nSteps));
      });
      drawCursor(context, frame, step);
    }));
}

// A number is held from one moment with weights to the next.
function pointsOfHistory(frame, steps, values, nSteps) {
  return values.flatMap((value, i) => {
    const end = steps[i + 1] ?? Math.max(steps[i], nSteps);
    return [[frame.toX(steps[i]), frame.toY(value)], [frame.toX(end), frame.toY(value)]];
  });
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
  const names = state.shown.map(place => element("th", { scope: "col" }, trainings[place].name));
  const head = state.shown.length > 1 ? [element("tr", {}, element("th"), ...names)] : [];
  table.replaceChildren(...head, ...rows.map(([label, values]) =>
    element("tr", {}, element("th", { scope: "row" }, label), ...values.map(() => element("td")))));
}

// ---- returns

// All returns of a training by kind.
function returnsOf(training) {
  const { episodes, validation } = training;
  return { training: episodes.training, test: episodes.test, validation };
}

// Returns that hold all but far outliers, and the threshold.
function returnLimits(scores) {
  const finite = Float64Array.from(scores).sort();
  const [low, high] = [percentile(finite, 0.05), percentile(finite, 0.95)], far = (high - low) / 4;
  const marks = [Math.max(finite[0], low - far), Math.min(finite.at(-1), high + far)];
  if (data.rewardThreshold !== null) marks.push(data.rewardThreshold);
  return limitsAround(marks);
}

const rememberReturnLimits = remembered();

// Limits of all returns that are shown, so that trainings can be compared.
function limitsOfReturns() {
  return rememberReturnLimits(state.shown.join(), () => {
    const points = state.shown.flatMap(place => Object.values(returnsOf(trainings[place])).flat());
    return returnLimits(points.map(({ score }) => score));
  });
}

function drawReturns(canvas, place) {
  const current = trainingEpisode(trainings[place]).number;
  drawUnlessShown(canvas, [...state.shown, current].join(), () => {
    const last = Math.max(...state.shown.map(i => trainings[i].episodes.training.at(-1).number));
    const returns = returnsOf(trainings[place]), y = limitsOfReturns();
    describeReturns(canvas, returns, current, last);
    drawChart(canvas, { x: [0.5, last + 0.5], y, xName: "episode", isCount: true }, (context, frame) => {
      if (data.rewardThreshold !== null) drawThreshold(context, frame);
      drawCurrentEpisode(context, frame, current);
      for (const [kind, points] of Object.entries(returns)) drawPoints(context, frame, kind, points, current);
    });
  });
}

function describeReturns(canvas, returns, current, last) {
  const scores = Object.entries(returns).flatMap(([kind, points]) =>
    points.filter(({ number }) => number === current).map(({ score }) => `${kind} ${show(score)}`));
  canvas.setAttribute("aria-valuenow", current);
  canvas.setAttribute("aria-valuemax", last);
  canvas.setAttribute("aria-valuetext", `episode ${current}: ${scores.join(", ")}`);
}

function drawThreshold(context, frame) {
  const y = frame.toY(data.rewardThreshold);
  context.strokeStyle = theme.soft;
  context.setLineDash([5, 4]);
  line(context, frame.left, y, frame.left + frame.width, y);
  context.setLineDash([]);
}

function drawCurrentEpisode(context, frame, number) {
  const width = Math.max(frame.toX(1) - frame.toX(0), 5);
  context.fillStyle = theme.line;
  context.globalAlpha = 0.7;
  context.fillRect(frame.toX(number) - width / 2, frame.top, width, frame.height);
  context.globalAlpha = 1;
}

// Returns of one kind; those off the scale are at its edge.
function drawPoints(context, frame, kind, points, current) {
  const radius = frame.x[1] > 60 ? 3 : 4;
  context.fillStyle = theme[kind];
  context.strokeStyle = theme.paper;
  context.lineWidth = 1;
  for (const { number, score } of points) {
    const y = frame.toY(Math.min(Math.max(score, frame.y[0]), frame.y[1]));
    marker(context, KINDS[kind].shape, frame.toX(number), y, number === current ? radius + 2 : radius);
  }
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
  drawChart(canvas, { x: [0, Math.max(1, episode.steps)], y: limits, isCount: true }, (context, frame) => {
    const points = isHeld
      ? numbers.flatMap((value, i) => [[i, value], [i + 1, value]])
      : numbers.map((value, i) => [i, value]);
    context.strokeStyle = theme[state.kind];
    context.lineWidth = 1.6;
    frame.clipped(context, () => polyline(context, points.map(([x, y]) => [frame.toX(x), frame.toY(y)])));
    drawCursor(context, frame, cursor);
  });
}

// The environment's picture at a step of an evaluation episode; `null` where there is none.
function pictureShown({ cursor }) {
  if (state.kind !== "evaluation") return null;
  const { every, episodes } = trainings[state.focus].film;
  return episodes[state.evaluation]?.[Math.floor(cursor / every)] ?? null;
}

function drawFilm(shown) {
  const image = document.getElementById("film"), picture = pictureShown(shown);
  image.hidden = picture === null;
  image.alt = `The environment at agent step ${shown.cursor}`;
  if (image.picture !== picture && picture !== null) image.src = `data:image/png;base64,${picture}`;
  image.picture = picture;
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
