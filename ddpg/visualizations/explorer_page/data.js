// What Python embeds in the page, as objects with typed arrays.

function decode(text, ArrayType) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new ArrayType(bytes.buffer);
}

// A training with its weights in order of agent steps and its episodes by kind: training, test, evaluation.
function readTraining(raw, observationSize, actionSize) {
  const episodes = {};
  for (const [kind, packed] of Object.entries(raw.episodes)) {
    episodes[kind] = readEpisodes(packed, observationSize, actionSize).map((episode, i) => ({
      ...episode,
      id: `${raw.name} ${kind} ${i}`,
    }));
  }
  return {
    ...raw,
    weights: { steps: decode(raw.weights.steps, Int32Array), values: decode(raw.weights.values, Float32Array) },
    episodes,
  };
}

// Episodes that are not kept have no steps here: in a long training, the page holds those of every kth.
function readEpisodes(packed, observationSize, actionSize) {
  const observations = decode(packed.observations, Float32Array);
  const actions = decode(packed.actions, Float32Array);
  const rewards = decode(packed.rewards, Float32Array);
  let step = 0, observation = 0;
  return packed.episodes.map(episode => {
    const nSteps = episode.isKept ? episode.steps : 0, nObservations = episode.isKept ? nSteps + 1 : 0;
    const firstNumber = observation * observationSize;
    const read = {
      ...episode,
      observations: observations.subarray(firstNumber, firstNumber + nObservations * observationSize),
      actions: actions.subarray(step * actionSize, (step + nSteps) * actionSize),
      rewards: rewards.subarray(step, step + nSteps),
    };
    step += nSteps;
    observation += nObservations;
    return read;
  });
}

// The place of the last of these ascending numbers that is at most the limit; 0 if there is none.
function lastUpTo(numbers, limit, number = item => item) {
  let low = 0, high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (number(numbers[middle]) <= limit) low = middle + 1; else high = middle;
  }
  return Math.max(low - 1, 0);
}

function observationAt(episode, step, size) {
  return episode.observations.slice(step * size, (step + 1) * size);
}

// Between two percentiles of the finite values, so that an outlier does not flatten the rest; as in the films.
function colourLimits(values, isSymmetric) {
  const finite = Float64Array.from(values).filter(Number.isFinite).map(value => isSymmetric ? Math.abs(value) : value);
  finite.sort();
  if (!finite.length) return [-1, 1];
  const high = percentile(finite, 0.99);
  const low = isSymmetric ? -high : percentile(finite, 0.01);
  const least = 1e-6 * Math.max(Math.abs(low), Math.abs(high), 1);
  return high - low > least ? [low, high] : [low - least, high + least];
}

// Interpolated linearly, as NumPy's.
function percentile(ascending, share) {
  const place = share * (ascending.length - 1), below = Math.floor(place);
  const above = Math.min(below + 1, ascending.length - 1);
  return ascending[below] + (place - below) * (ascending[above] - ascending[below]);
}
