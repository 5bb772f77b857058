// What is shown: the chosen moment, state and episode, and what follows from them.

const data = JSON.parse(document.getElementById("data").textContent);
const dimensions = data.dimensions;
const actionSize = data.actionNames.length;
const trainings = data.trainings.map(raw => readTraining(raw, dimensions.length, actionSize));
const colourMaps = {};
for (const [name, text] of Object.entries(data.colours)) colourMaps[name] = decode(text, Uint8Array);
let lastStep = lastStepOf(data.shown); // the end of the slider

function lastStepOf(shown) {
  return Math.max(...shown.map(place => trainings[place].nSteps));
}

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

// What planes show: a quantity of `evaluateStates`, its colours, and a note that names the action.
const PANELS = [
  { name: "qMax", title: "Q max", colours: "viridis", note: action => `greatest Q over ${action}` },
  { name: "spread", title: "Spread of Q", colours: "cividis", note: action => `its deviation over ${action}` },
  {
    name: "gradient", title: "dQ/da", colours: "PuOr", isSymmetric: true,
    note: action => `its slope by ${action}, at the policy`,
  },
  {
    name: "actionAtQMax", title: "Action at Q max", colours: "RdBu", isAction: true,
    note: action => `${action} with the greatest Q`,
  },
  {
    name: "policy", title: "Policy", colours: "RdBu", isAction: true,
    note: action => `${action} that the actor takes`,
  },
];

// Keeps the last result of a function, which is called again only for another key.
function remembered() {
  let lastKey, result;
  return (key, compute) => {
    if (key !== lastKey) [lastKey, result] = [key, compute()];
    return result;
  };
}

// A function of a training's place that remembers its last result for each training.
function perTraining(key, compute) {
  const memories = trainings.map(remembered);
  return place => memories[place](key(place), () => compute(place));
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

function actionName() {
  return data.actionNames[state.action];
}

function weightsIndex(training, step = state.step) {
  return lastUpTo(training.weights.steps, step);
}

// The planes of a training at the chosen moment, by the names of PANELS.
const planesOf = perTraining(keyOfPlanes, place => {
  const training = trainings[place], [nX, nY] = planeSize();
  const planes = evaluated(training, weightsIndex(training), statesOfPlane(nX, nY));
  return { ...planes, nX, nY, key: keyOfPlanes(place) };
});

function keyOfPlanes(place) {
  const held = state.point.map((value, i) => i === state.x || i === state.y ? 0 : value);
  return [weightsIndex(trainings[place]), ...planeSize(), state.x, state.y, state.action, ...held].join();
}

// The candidate's planes less the baseline's.
function differenceOf(baseline, candidate) {
  const a = planesOf(baseline), b = planesOf(candidate);
  const planes = { nX: a.nX, nY: a.nY, key: `${a.key} ${b.key}` };
  for (const { name } of PANELS) planes[name] = b[name].map((value, i) => value - a[name][i]);
  return planes;
}

// Planes on a coarse grid at some moments of the run, from which its colour limits are taken; the dimensions that are
// not drawn have their reference values, so that colours keep their meaning while the chosen state moves.
const sampledPlanes = perTraining(() => [state.x, state.y, state.action, lastStep].join(), place => {
  const training = trainings[place], cost = costOf(training.networks, data.nActions, actionSize);
  const affordable = Math.sqrt(4 * MULTIPLICATIONS_AT_REST / MOMENTS_OF_LIMITS / cost);
  const n = Math.max(4, Math.min(CELLS_OF_LIMITS, Math.floor(affordable)));
  const states = statesOfPlane(...(state.y === null ? [n * n, 1] : [n, n]), data.grid.reference);
  return Array.from(evenly([0, lastStep], MOMENTS_OF_LIMITS), step =>
    evaluated(training, weightsIndex(training, Math.round(step)), states));
});

// Colour limits of a panel, the same for all trainings that are shown.
function limitsOfPanel(panel) {
  if (panel.isAction) return [data.actionLow[state.action], data.actionHigh[state.action]];
  const planes = state.shown.flatMap(place => state.scale === "run" ? sampledPlanes(place) : [planesOf(place)]);
  return colourLimits(planes.flatMap(each => [...each[panel.name]]), panel.isSymmetric);
}

function differenceLimits(panel, candidate) {
  if (state.scale === "frame") return colourLimits(differenceOf(state.shown[0], candidate)[panel.name], true);
  const [a, b] = [state.shown[0], candidate].map(place =>
    sampledPlanes(place).flatMap(planes => [...planes[panel.name]]));
  return colourLimits(a.map((value, i) => b[i] - value), true);
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
  return [...state.shown, ...indices, state.action, ...state.point].join();
}

function chosenState() {
  return batch(1, 1, dimensions.length, Float64Array.from(state.point));
}

// What the networks say of the chosen state at the chosen moment.
const stateNow = perTraining(keyOfState, place =>
  evaluated(trainings[place], weightsIndex(trainings[place]), chosenState()));

const POINTS_OF_LINE = 81;

// Q over the action in the chosen state.
const lineNow = perTraining(keyOfState, place => {
  const training = trainings[place], { actionLow, actionHigh } = data;
  return evaluateState(
    training, weightsIndex(training), chosenState(), state.action, POINTS_OF_LINE, actionLow, actionHigh,
  );
});

const MOMENTS_MOVING = 48;

// Q max and the policy's action in the chosen state, at all moments with weights; at some of them while it moves.
const historyOfState = (memories => place => {
  const training = trainings[place], { steps } = training.weights, memory = memories[place];
  const key = [state.action, ...state.point].join();
  const stride = state.isMoving ? Math.ceil(steps.length / MOMENTS_MOVING) : 1;
  if (memory.key === key && memory.stride <= stride) return memory;
  const indices = Array.from({ length: Math.ceil(steps.length / stride) }, (_, i) => i * stride);
  const moments = indices.map(index => evaluated(training, index, chosenState()));
  return Object.assign(memory, {
    key,
    stride,
    steps: indices.map(index => steps[index]),
    qMax: moments.map(moment => moment.qMax[0]),
    policy: moments.map(moment => moment.policy[0]),
  });
})(trainings.map(() => ({})));
