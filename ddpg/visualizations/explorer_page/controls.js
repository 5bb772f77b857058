// The page's controls, and its loop: every change is drawn at most once a frame.

const byId = name => document.getElementById(name);
let rows = [], returnCharts = [], traceCharts = [];
let isDrawingDue = false;
let playing = null; // what plays, "training" or "episode", if anything does
const SPEEDS = [
  ["10 steps a second", () => 10],
  ["whole run in 2 min", () => lastStep / 120],
  ["whole run in 1 min", () => lastStep / 60],
  ["whole run in 30 s", () => lastStep / 30],
  ["whole run in 10 s", () => lastStep / 10],
];
const STEPS_OF_EPISODE_PER_SECOND = 12;

// ---- changes

function set(changes) {
  Object.assign(state, changes);
  if (!isDrawingDue) requestAnimationFrame(draw);
  isDrawingDue = true;
}

function goTo(step) {
  set({ step: Math.min(Math.max(step, 0), lastStep) });
}

// Shows the end of a training episode, and of its test if that was asked for.
function goToEpisode(place, number, kind = "training") {
  const training = trainings[place];
  const episode = training.episodes.training.find(each => each.number === number);
  if (!episode) return;
  const isTest = kind === "test" || (kind === "validation" && training.episodes.test.length > 0);
  setKind(isTest ? "test" : "training", place);
  goTo(episode.firstStep + episode.steps);
  set({ cursor: episodeShown().episode?.steps ?? 0 });
}

// Shows another kind of episodes step by step; evaluation episodes, with the networks that they were run with.
function setKind(kind, focus = state.focus) {
  const moved = focus !== state.focus, { bestEpisode, episodes } = trainings[focus];
  set({ kind, focus, cursor: 0 });
  const best = episodes.training.find(episode => episode.number === bestEpisode);
  if (kind === "evaluation" && best) goTo(best.firstStep + best.steps);
  if (kind !== "training") set({ cursor: episodeShown().episode?.steps ?? 0 });
  if (moved) buildTraces();
  buildEpisodeChoices();
}

// Moves to a step of the episode that is shown, and chooses the state there.
function goToStepOfEpisode(step) {
  const { episode } = episodeShown();
  if (!episode?.isKept) return;
  const cursor = Math.min(Math.max(step, 0), episode.steps);
  if (state.kind === "training") goTo(Math.max(episode.firstStep + cursor, Math.min(episode.firstStep + 1, lastStep)));
  set({ cursor, point: Float64Array.from(observationAt(episode, cursor, dimensions.length)) });
}

function choosePoint(x, y) {
  const point = state.point.slice();
  const within = ([low, high], value) => Math.min(Math.max(value, low), high);
  point[state.x] = within(limitsOf(state.x), x);
  if (state.y !== null) point[state.y] = within(limitsOf(state.y), y);
  set({ point });
}

// ---- the loop

function draw() {
  isDrawingDue = false;
  if (!document.body.clientWidth) return; // a frame that is not shown yet
  const shown = episodeShown();
  for (const row of rows) row.draw();
  returnCharts.forEach(({ canvas, place }) => drawReturns(canvas, place));
  traceCharts.forEach(({ canvas, trace }) => {
    if (shown.episode?.isKept) drawTrace(canvas, trace, shown.episode, shown.cursor);
    else drawUnlessShown(canvas, "", () => prepared(canvas));
  });
  drawState();
  drawFilm(shown);
  setText(byId("episode"), describeEpisode(shown));
  drawMoment();
  drawPoint();
  speakLater();
}

function drawMoment() {
  const training = trainings[state.focus], episode = trainingEpisode(training), step = Math.floor(state.step);
  byId("step").value = step;
  const weights = training.weights.steps[weightsIndex(training)];
  byId("when").replaceChildren(
    element("b", {}, `agent step ${step.toLocaleString("en-US")}`), ` of ${lastStep.toLocaleString("en-US")} · `,
    element("b", {}, `episode ${episode.number}`), ` of ${training.episodes.training.length} · `,
    `ε\u00a0${show(Math.round(episode.epsilon * 1e4) / 1e4, 2)} · networks of step ${weights.toLocaleString("en-US")}`,
  );
  byId("step").setAttribute("aria-valuetext", `agent step ${step}, episode ${episode.number}`);
}

function drawPoint() {
  byId("point").querySelectorAll("input").forEach((input, i) => {
    if (document.activeElement !== input) input.value = Number(state.point[i].toPrecision(4));
  });
}

// Screen readers hear the numbers once they rest.
let speaking;
function speakLater() {
  clearTimeout(speaking);
  if (playing) return;
  speaking = setTimeout(() => {
    const where = dimensions.map(({ name }, i) => `${name} ${show(state.point[i])}`).join(", ");
    const spoken = values => values.map(value => show(value)).join(" and ");
    const numbers = readoutRows().map(([label, values]) => `${label} ${spoken(values)}`);
    const { number } = trainingEpisode(trainings[state.focus]);
    byId("spoken").textContent = `Episode ${number}. ${where}: ${numbers.join(", ")}.`;
  }, 600);
}

// Plays the training or an episode; null pauses.
function play(what) {
  const run = playing = what && { what, part: 0 };
  set({ isMoving: Boolean(run) });
  byId("play").textContent = what === "training" ? "Pause" : "Play";
  byId("drive").textContent = what === "episode" ? "Pause" : "Drive";
  if (what === "training" && state.step >= lastStep) goTo(0);
  if (run) requestAnimationFrame(now => advance(run, now, now)); else speakLater();
}

// Each run goes on until it is over, or another has begun.
function advance(run, before, now) {
  if (playing !== run) return;
  const seconds = Math.min((now - before) / 1000, 0.25);
  const isOver = run.what === "training" ? advanceTraining(seconds) : advanceEpisode(run, seconds);
  if (isOver) play(null); else requestAnimationFrame(next => advance(run, now, next));
}

function advanceTraining(seconds) {
  goTo(state.step + seconds * SPEEDS[byId("speed").value][1]());
  return state.step >= lastStep;
}

function advanceEpisode(run, seconds) {
  const { episode, cursor } = episodeShown();
  if (!episode?.isKept || cursor >= episode.steps) return true;
  run.part += seconds * STEPS_OF_EPISODE_PER_SECOND;
  if (run.part >= 1) goToStepOfEpisode(cursor + Math.floor(run.part));
  run.part %= 1;
  return false;
}

function drive() {
  if (playing?.what === "episode") return play(null);
  const { episode, cursor } = episodeShown();
  if (episode && cursor >= episode.steps) goToStepOfEpisode(0);
  play("episode");
}

// ---- what the page is built of

function buildRows() {
  rows = state.shown.map(rowOfTraining);
  if (state.withDifference) rows.push(...state.shown.slice(1).map(rowOfDifference));
  byId("planes").replaceChildren(...rows.map(row => row.element));
  rows.forEach(row => row.views.forEach(view => listenToPlane(view)));
  returnCharts = state.shown.map(place => {
    const canvas = element("canvas", { className: "returns", tabIndex: 0 });
    canvas.setAttribute("role", "slider");
    canvas.setAttribute("aria-valuemin", 1);
    const whose = state.shown.length > 1 ? ` of ${trainings[place].name}` : "";
    canvas.setAttribute("aria-label", `Returns${whose}: episode`);
    listenToReturns(canvas, place);
    return { canvas, place };
  });
  byId("returns").replaceChildren(...returnCharts.flatMap(({ canvas, place }) => {
    if (state.shown.length === 1) return [canvas];
    const heading = element("h3", {}, trainings[place].name);
    heading.style.borderColor = trainingColour(place);
    return [heading, canvas];
  }));
  set({});
}

function buildTraces() {
  traceCharts = tracesShown().map(trace => ({ trace, canvas: element("canvas", { className: "trace" }) }));
  traceCharts.forEach(({ canvas }) => onDrag(canvas, x => goToStepOfEpisode(Math.round(canvas.frame.fromX(x)))));
  byId("traces").replaceChildren(...traceCharts.map(({ canvas, trace }) => {
    canvas.setAttribute("aria-hidden", "true");
    return element("figure", {}, element("figcaption", {}, trace.name), canvas);
  }));
  set({});
}

// Controls that are built anew keep the focus, by their key.
function rebuild(container, ...controls) {
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  container.replaceChildren(...controls);
  if (focused) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function select(label, options, value, onChange) {
  const made = element("select", {}, ...options.map(([key, text]) => element("option", { value: key }, text)));
  made.dataset.key = label;
  made.setAttribute("aria-label", label);
  made.value = value;
  made.addEventListener("change", () => onChange(Number(made.value)));
  return element("label", {}, label, made);
}

function radios(name, label, options, value, onChange) {
  const choices = options.map(([key, text]) => {
    const input = element("input", { type: "radio", name, value: key, checked: key === value });
    input.dataset.key = `${name} ${key}`;
    input.addEventListener("change", () => onChange(key));
    return element("label", {}, input, text);
  });
  return element("fieldset", {}, element("legend", { className: "unseen" }, label), ...choices);
}

function checkbox(text, checked, onChange, colour) {
  const input = element("input", { type: "checkbox", checked });
  input.dataset.key = text;
  input.addEventListener("change", () => onChange(input.checked));
  const swatch = colour ? [element("span", { className: "swatch" })] : [];
  swatch.forEach(each => { each.style.background = colour; });
  return element("label", {}, input, ...swatch, text);
}

function buildChoices() {
  const names = dimensions.map(({ name }, i) => [i, name]);
  const choices = [];
  if (trainings.length > 1) {
    const isOneOfMany = state.shown.length > 1;
    choices.push(...trainings.map(({ name }, place) => checkbox(
      name, state.shown.includes(place), isShown => showTraining(place, isShown), isOneOfMany && trainingColour(place),
    )));
  }
  if (state.shown.length > 1) {
    choices.push(checkbox("difference", state.withDifference, withDifference => {
      set({ withDifference });
      buildRows();
    }));
  }
  if (dimensions.length > 2) {
    choices.push(
      select("across", names, state.x, x => changePlane({ x, y: x === state.y ? state.x : state.y })),
      select("up", names, state.y, y => changePlane({ y, x: y === state.x ? state.y : state.x })),
    );
  }
  if (actionSize > 1) {
    const actions = data.actionNames.map((name, i) => [i, name]);
    choices.push(select("action", actions, state.action, action => changePlane({ action })));
  }
  const scales = [["run", "colours of the whole run"], ["frame", "of this moment"]];
  choices.push(radios("scale", "Colours", scales, state.scale, scale => set({ scale })));
  choices.push(checkbox("paths", state.withPaths, withPaths => set({ withPaths })));
  rebuild(byId("choices"), ...choices);
}

function changePlane(changes) {
  set(changes);
  buildChoices();
  buildRows();
}

// At least one training stays.
function showTraining(place, isShown) {
  const shown = isShown ? [...state.shown, place].sort((a, b) => a - b) : state.shown.filter(each => each !== place);
  if (shown.length) set({ shown, focus: shown.includes(state.focus) ? state.focus : shown[0] });
  const isAtEnd = state.step >= lastStep;
  byId("step").max = lastStep = lastStepOf(state.shown);
  goTo(isAtEnd ? lastStep : state.step);
  buildChoices();
  buildRows();
  buildTraces();
  buildEpisodeChoices();
}

function buildEpisodeChoices() {
  const { episodes } = trainings[state.focus];
  const kinds = Object.keys(KIND_NAMES).filter(kind => episodes[kind].length).map(kind => [kind, KIND_NAMES[kind]]);
  const choices = [radios("kind", "Which episode", kinds, state.kind, kind => setKind(kind))];
  if (state.kind === "evaluation") {
    const options = episodes.evaluation.map((episode, i) => [i, `start ${i + 1}: ${show(episode.score, 4)}`]);
    choices.push(select("from", options, state.evaluation, evaluation => {
      set({ evaluation });
      goToStepOfEpisode(0);
      play("episode");
    }));
  }
  if (state.shown.length > 1) {
    const shown = state.shown.map(place => [place, trainings[place].name]);
    choices.unshift(select("of", shown, state.focus, focus => setKind(state.kind, focus)));
  }
  const button = element("button", { type: "button", id: "drive", className: "wide" });
  button.textContent = playing?.what === "episode" ? "Pause" : "Drive";
  button.title = "Follow the episode, state by state";
  button.addEventListener("click", drive);
  rebuild(byId("episode-choices"), ...choices, button);
}

function buildPoint() {
  byId("point").replaceChildren(...dimensions.flatMap(({ name, low, high }, i) => {
    const input = element("input", { type: "number", id: `dimension-${i}`, step: (high - low) / 100 });
    input.addEventListener("input", () => {
      if (input.value === "" || !Number.isFinite(Number(input.value))) return;
      const point = state.point.slice();
      point[i] = Number(input.value);
      set({ point });
    });
    return [element("label", { htmlFor: input.id }, name), input];
  }));
}

function buildLegends() {
  const item = (kind, note) => {
    const canvas = element("canvas");
    canvas.setAttribute("aria-hidden", "true");
    canvas.dataset.kind = kind;
    return element("span", {}, canvas, note);
  };
  byId("kinds").replaceChildren(...["training", "test", "validation"]
    .filter(kind => trainings.some(training => returnsOf(training)[kind].length))
    .map(kind => item(kind, `${KINDS[kind].name}: ${KINDS[kind].note}`)),
    ...(data.rewardThreshold === null ? [] : [element("span", {}, `┄ solved from ${show(data.rewardThreshold)}`)]),
    element("span", {}, "at the edge: off the scale"));
  byId("paths").replaceChildren(...["training", "test", "evaluation"]
    .filter(kind => trainings.some(({ episodes }) => episodes[kind].length))
    .map(kind => item(kind, `path of the ${kind} episode`)),
    element("span", {}, "✛ the chosen state"));
  drawLegends();
}

function drawLegends() {
  document.querySelectorAll(".legend canvas").forEach(canvas => {
    const { context, width, height } = prepared(canvas);
    context.fillStyle = context.strokeStyle = theme[canvas.dataset.kind];
    if (canvas.closest("#paths")) {
      context.lineWidth = 2;
      line(context, 2, height / 2, width - 6, height / 2);
      marker(context, "circle", width - 6, height / 2, 3.5);
    } else marker(context, KINDS[canvas.dataset.kind].shape, width / 2, height / 2, 4.5);
  });
}

function buildNotes() {
  const kept = trainings.map(({ name, weights }) => `${weights.steps.length} moments of ${name}`).join(", ");
  const notes = [
    `The page computes everything from the networks’ weights at ${kept}. `
      + "Between two moments it holds the earlier ones.",
    "Q is in units of the normalised reward; states and actions are in the environment’s units. "
      + `Q max and its spread are taken over ${data.nActions} actions, evenly spaced.`,
  ];
  if (dimensions.length > 2) {
    notes.push("A plane shows two dimensions; the others have the values of the chosen state. "
      + "Axes span the training’s limits, or what its episodes visited.");
  }
  const key = name => element("kbd", {}, name);
  const keys = element("p", {}, key("space"), " plays and pauses; ", key("← → ↑ ↓"),
    " move the slider, the chosen state on a plane, or go from episode to episode, wherever the focus is.");
  byId("notes").replaceChildren(...notes.map(text => element("p", {}, text)), keys);
}

// ---- listening

// Calls back with the place of a press and of the drag after it.
function onDrag(canvas, act) {
  const place = event => {
    const box = canvas.getBoundingClientRect();
    act(event.clientX - box.left, event.clientY - box.top);
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    place(event);
  });
  canvas.addEventListener("pointermove", event => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    set({ isMoving: true });
    place(event);
  });
  canvas.addEventListener("lostpointercapture", () => set({ isMoving: Boolean(playing) }));
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function onArrow(canvas, act) {
  canvas.addEventListener("keydown", event => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    act(...ARROWS[event.key], event.shiftKey);
  });
}

function listenToPlane(view) {
  onDrag(view.canvas, (x, y) => choosePoint(view.frame.fromX(x), view.frame.fromY(y)));
  onArrow(view.canvas, (dx, dy, isFast) => {
    const share = isFast ? 0.1 : 0.02, move = (dimension, by) => {
      const [low, high] = limitsOf(dimension);
      return state.point[dimension] + by * share * (high - low);
    };
    choosePoint(move(state.x, dx), state.y === null ? 0 : move(state.y, dy));
  });
}

function listenToReturns(canvas, place) {
  const training = trainings[place];
  canvas.addEventListener("click", event => {
    const box = canvas.getBoundingClientRect(), { frame } = canvas;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const points = Object.entries(returnsOf(training)).flatMap(([kind, all]) => all.map(({ number, score }) => ({
      kind, number, distance: Math.hypot(frame.toX(number) - x, 0.3 * (frame.toY(score) - y)),
    })));
    const nearest = points.reduce((best, point) => point.distance < best.distance ? point : best);
    goToEpisode(place, nearest.number, nearest.kind);
  });
  onArrow(canvas, dx => {
    const { number } = trainingEpisode(training);
    goToEpisode(place, number + dx, state.kind === "test" ? "test" : "training");
  });
}

function listen() {
  const slider = byId("step");
  slider.max = lastStep;
  slider.addEventListener("input", () => {
    if (playing) play(null);
    set({ isMoving: true });
    goTo(Number(slider.value));
  });
  slider.addEventListener("change", () => set({ isMoving: false }));
  byId("play").addEventListener("click", () => play(playing?.what === "training" ? null : "training"));
  for (const [name, by] of [["back", -1], ["forward", 1]]) {
    byId(name).addEventListener("click", () =>
      goToEpisode(state.focus, trainingEpisode(trainings[state.focus]).number + by, state.kind));
  }
  byId("speed").replaceChildren(...SPEEDS.map(([text], i) => element("option", { value: i }, text)));
  byId("speed").value = 3;
  for (const name of ["q-history", "policy-history"]) {
    const canvas = byId(name);
    onDrag(canvas, x => {
      if (playing) play(null);
      goTo(Math.round(canvas.frame.fromX(x)));
    });
  }
  document.addEventListener("keydown", event => {
    const isOfControl = event.target.matches("input:not(#step), select, button");
    if (event.key !== " " || isOfControl) return;
    event.preventDefault();
    play(playing ? null : "training");
  });
  const restyle = () => { readTheme(); drawLegends(); set({}); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
  new ResizeObserver(() => { drawLegends(); set({}); }).observe(document.body);
}

readTheme();
listen();
buildChoices();
buildPoint();
buildRows();
buildTraces();
buildEpisodeChoices();
buildLegends();
buildNotes();
