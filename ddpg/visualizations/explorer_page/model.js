// What is shown: the chosen moment, state and episode, and what follows from them.

const data = JSON.parse(document.getElementById("data").textContent);
const dimensions = data.dimensions;
const actionSize = data.actionNames.length;
const trainings = data.trainings.map(raw => readTraining(raw, dimensions.length, actionSize));
const colourMaps = Object.fromEntries(Object.entries(data.colours).map(([name, text]) => [name, decode(text, Uint8Array)]));
const lastStep = Math.max(...trainings.map(training => training.nSteps));

const state = {
  step: lastStep, // agent steps of training; a fraction while it plays
  shown: data.shown, // places of trainings
  focus: data.shown[0], // the training whose episode is shown step by step
  withDifference: true,
  withPaths: true,
  x: data.grid.x,
  y: data.grid.y,
  action: data.grid.action,
  scale: "run", // colours of the whole run, or of each frame
  point: Float64Array.from(data.grid.reference), // a state: all dimensions, in the environment's units
  kind: "training", // of the episode shown step by step: training, test or evaluation
  evaluation: 0, // which evaluation episode
  isMoving: false, // it plays, or something is being dragged: planes are coarser then
  cursor: 0, // agent step of a test or evaluation episode; that of a training episode follows from the moment
};

const PANELS = [
  { name: "qMax", title: "Q max", note: action => `greatest Q over ${action}`, colours: "viridis" },
  { name: "spread", title: "Spread of Q", note: action => `its deviation over ${action}`, colours: "cividis" },
  { name: "gradient", title: "dQ/da", note: action => `its slope by ${action}, at the policy`, colours: "PuOr", isSymmetric: true },
  { name: "actionAtQMax", title: "Action at Q max", note: action => `${action} with the greatest Q`, colours: "RdBu", isAction: true },
  { name: "policy", title: "Policy", note: action => `${action} that the actor takes`, colours: "RdBu", isAction: true },
];

// Keeps the last result of a function, which is called again only for another key.
function remembered() {
  let lastKey, result;
  return (key, compute) => {
    if (key !== lastKey) [lastKey, result] = [key, compute()];
    return result;
  };
}

function evenly([low, high], n) {
  return Float64Array.from({ length: n }, (_, i) => n > 1 ? low + (high - low) * i / (n - 1) : (low + high) / 2);
}

function limitsOf(dimension) {
  return [dimensions[dimension].low, dimensions[dimension].high];
}

// States of a plane, row by row from the lowest y, as a batch; dimensions that are not drawn are those of the point.
function statesOfPlane(nX, nY, point = state.point) {
  const xs = evenly(limitsOf(state.x), nX), ys = state.y === null ? null : evenly(limitsOf(state.y), nY);
  const states = batch(nX * nY, 1, dimensions.length);
  for (let row = 0, to = 0; row < nY; row++) {
    for (let column = 0; column < nX; column++, to += dimensions.length) {
      states.data.set(point, to);
      states.data[to + state.x] = xs[column];
      if (ys) states.data[to + state.y] = ys[row];
    }
  }
  return states;
}

function evaluated(training, index, states) {
  return evaluateStates(training, index, states, state.action, data.nActions, data.actionLow, data.actionHigh);
}

const MULTIPLICATIONS_MOVING = 1.5e6, MULTIPLICATIONS_AT_REST = 1e7;
const MOST_CELLS = 40, FEWEST_CELLS = 8, CELLS_OF_LIMITS = 12, MOMENTS_OF_LIMITS = 24;

// Cells along each axis: as many as can be evaluated in part of a frame's time, or at rest in the time of an answer.
function planeSize() {
  const cost = state.shown.reduce((sum, i) => sum + costOf(trainings[i].networks, data.nActions, actionSize), 0);
  const nCells = (state.isMoving ? MULTIPLICATIONS_MOVING : MULTIPLICATIONS_AT_REST) / cost;
  if (state.y === null) return [Math.round(Math.min(8 * MOST_CELLS, Math.max(FEWEST_CELLS, nCells))), 1];
  const n = Math.floor(Math.min(MOST_CELLS, Math.max(FEWEST_CELLS, Math.sqrt(nCells))));
  return [n, n];
}

function weightsIndex(training, step = state.step) {
  return lastUpTo(training.weights.steps, step);
}

// The planes of a training at the chosen moment, by the names of PANELS.
const planesOf = (memories => place => {
  const training = trainings[place], index = weightsIndex(training), [nX, nY] = planeSize();
  const held = state.point.map((value, i) => i === state.x || i === state.y ? 0 : value);
  const key = [index, nX, state.x, state.y, state.action, ...held].join();
  return memories[place](key, () => ({ ...evaluated(training, index, statesOfPlane(nX, nY)), nX, nY, key }));
})(trainings.map(remembered));

// The candidate's planes less the baseline's.
function differenceOf(baseline, candidate) {
  const a = planesOf(baseline), b = planesOf(candidate);
  const planes = { nX: a.nX, nY: a.nY, key: `${a.key} ${b.key}` };
  for (const { name } of PANELS) planes[name] = b[name].map((value, i) => value - a[name][i]);
  return planes;
}

// Planes on a coarse grid at some moments of the run, from which its colour limits are taken; the dimensions that are
// not drawn have their reference values, so that colours keep their meaning while the chosen state moves.
const sampledPlanes = (memories => place => {
  const training = trainings[place];
  return memories[place]([state.x, state.y, state.action].join(), () => {
    const cost = costOf(training.networks, data.nActions, actionSize);
    const nCells = Math.max(16, Math.min(CELLS_OF_LIMITS ** 2, 4 * MULTIPLICATIONS_AT_REST / cost / MOMENTS_OF_LIMITS));
    const n = Math.floor(Math.sqrt(nCells));
    const states = state.y === null
      ? statesOfPlane(n * n, 1, data.grid.reference)
      : statesOfPlane(n, n, data.grid.reference);
    return Array.from(evenly([0, lastStep], MOMENTS_OF_LIMITS), step =>
      evaluated(training, weightsIndex(training, Math.round(step)), states));
  });
})(trainings.map(remembered));

// Colour limits of a panel, the same for all trainings that are shown.
function limitsOfPanel(panel) {
  if (panel.isAction) return [data.actionLow[state.action], data.actionHigh[state.action]];
  return colourLimits(state.shown.flatMap(place => state.scale === "run"
    ? sampledPlanes(place).flatMap(planes => [...planes[panel.name]])
    : [...planesOf(place)[panel.name]]), panel.isSymmetric);
}

function differenceLimits(panel, candidate) {
  if (state.scale === "frame") return colourLimits(differenceOf(state.shown[0], candidate)[panel.name], true);
  const [a, b] = [state.shown[0], candidate].map(sampledPlanes);
  return colourLimits(a.flatMap((planes, i) => [...planes[panel.name]].map((value, j) => b[i][panel.name][j] - value)), true);
}

// The training episode at a moment: the one that a step has just been made in.
function trainingEpisode(training, step = state.step) {
  const episodes = training.episodes.training;
  return episodes[lastUpTo(episodes, Math.ceil(step) - 1, episode => episode.firstStep)];
}

// The newest test episode at a moment; null before the first.
function testEpisode(training, step = state.step) {
  const episodes = training.episodes.test;
  if (!episodes.length || episodes[0].firstStep > step) return null;
  return episodes[lastUpTo(episodes, step, episode => episode.firstStep)];
}

// The episode that is shown step by step, and how many steps of it.
function episodeShown() {
  const training = trainings[state.focus];
  if (state.kind === "training") {
    const episode = trainingEpisode(training);
    return { episode, cursor: Math.min(episode.steps, Math.max(0, Math.floor(state.step) - episode.firstStep)) };
  }
  const episode = state.kind === "test" ? testEpisode(training) : training.episodes.evaluation[state.evaluation];
  return { episode, cursor: episode ? Math.min(state.cursor, episode.steps) : 0 };
}

// What tells apart what the networks say of the chosen state at the chosen moment.
function keyOfState() {
  const indices = state.shown.map(place => weightsIndex(trainings[place]));
  return [...indices, state.action, ...state.point].join();
}

// What the networks say of the chosen state at the chosen moment.
const stateNow = (memories => place => {
  const training = trainings[place], index = weightsIndex(training);
  return memories[place](`${state.shown} ${keyOfState()}`, () =>
    evaluated(training, index, batch(1, 1, dimensions.length, Float64Array.from(state.point))));
})(trainings.map(remembered));

const POINTS_OF_LINE = 81;

// Q over the action in the chosen state.
const lineNow = (memories => place => {
  const training = trainings[place], index = weightsIndex(training);
  return memories[place](`${state.shown} ${keyOfState()}`, () =>
    evaluateState(training, index, state.point, state.action, POINTS_OF_LINE, data.actionLow, data.actionHigh));
})(trainings.map(remembered));

const MOMENTS_MOVING = 48;

// Q max and the policy's action in the chosen state, at all moments with weights; at some of them while it moves.
const historyOfState = (memories => place => {
  const training = trainings[place], { steps } = training.weights, memory = memories[place];
  const key = [state.action, ...state.point].join();
  const stride = state.isMoving ? Math.ceil(steps.length / MOMENTS_MOVING) : 1;
  if (memory.key === key && memory.stride <= stride) return memory;
  const at = batch(1, 1, dimensions.length, Float64Array.from(state.point));
  const indices = Array.from({ length: Math.ceil(steps.length / stride) }, (_, i) => i * stride);
  const moments = indices.map(index => evaluated(training, index, at));
  return Object.assign(memory, {
    key,
    stride,
    steps: indices.map(index => steps[index]),
    qMax: moments.map(moment => moment.qMax[0]),
    policy: moments.map(moment => moment.policy[0]),
  });
})(trainings.map(() => ({})));
