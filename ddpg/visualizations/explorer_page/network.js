// The networks, evaluated from lists of operations and a vector of weights; see ddpg/algorithm/operations.py.
//
// A batch is {n, m, width, data, tangent}: rows of `width` numbers for n observations times m actions. Where rows do
// not depend on the observation n is 1, where they do not depend on the action m is 1: each is computed once. The
// tangent, where there is one, is the derivative of data by one dimension of the action.

function batch(n, m, width, data = new Float64Array(n * m * width), tangent = null) {
  return { n, m, width, data, tangent };
}

function size(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

// Rows times a kernel, plus a bias; four sums at a time, which is several times faster than one.
function product(rows, kernel, nInputs, nOutputs, bias) {
  const result = new Float64Array(rows.length / nInputs * nOutputs), nInFours = nOutputs - nOutputs % 4;
  for (let from = 0, to = 0; from < rows.length; from += nInputs) {
    for (let j = 0; j < nInFours; j += 4) {
      let a = bias[j], b = bias[j + 1], c = bias[j + 2], d = bias[j + 3];
      for (let i = 0, k = j; i < nInputs; i++, k += nOutputs) {
        const x = rows[from + i];
        a += x * kernel[k];
        b += x * kernel[k + 1];
        c += x * kernel[k + 2];
        d += x * kernel[k + 3];
      }
      result[to++] = a;
      result[to++] = b;
      result[to++] = c;
      result[to++] = d;
    }
    for (let j = nInFours; j < nOutputs; j++) {
      let sum = bias[j];
      for (let i = 0, k = j; i < nInputs; i++, k += nOutputs) sum += rows[from + i] * kernel[k];
      result[to++] = sum;
    }
  }
  return result;
}

function dense([x], [kernel, bias]) {
  const width = bias.length;
  const tangent = x.tangent && product(x.tangent, kernel, x.width, width, new Float64Array(width));
  return batch(x.n, x.m, width, product(x.data, kernel, x.width, width, bias), tangent);
}

// Where an operation on single numbers writes: into its input, if no other operation reads that, or a new batch.
function target(x, { isOnlyReader }) {
  return isOnlyReader ? x : batch(x.n, x.m, x.width, undefined, x.tangent && new Float64Array(x.data.length));
}

// Each column times its scale, plus its shift.
function affine(x, scale, shift, operation) {
  const result = target(x, operation), { width } = x;
  for (let start = 0; start < x.data.length; start += width) {
    for (let k = 0; k < width; k++) result.data[start + k] = x.data[start + k] * scale[k] + shift[k];
  }
  if (x.tangent) x.tangent.forEach((slope, i) => { result.tangent[i] = slope * scale[i % width]; });
  return result;
}

function standardize([x], [center, halfRange], operation) {
  const scale = halfRange.map(half => 1 / half), shift = center.map((middle, k) => -middle / halfRange[k]);
  const result = affine(x, scale, shift, operation), { limit } = operation;
  if (limit) result.data.forEach((value, i) => { result.data[i] = Math.min(Math.max(value, -limit), limit); });
  return result;
}

function batchNorm([x], [gamma, beta, mean, variance], operation) {
  const scale = gamma.map((value, k) => value / Math.sqrt(variance[k] + operation.epsilon));
  return affine(x, scale, beta.map((value, k) => value - mean[k] * scale[k]), operation);
}

function layerNorm([x], [gamma, beta], { epsilon }) {
  const result = batch(x.n, x.m, x.width);
  if (x.tangent) result.tangent = new Float64Array(x.data.length);
  const mean = values => values.reduce((sum, value) => sum + value, 0) / x.width;
  for (let start = 0; start < x.data.length; start += x.width) {
    const row = x.data.subarray(start, start + x.width), middle = mean(row);
    const scale = 1 / Math.sqrt(mean(row.map(value => (value - middle) ** 2)) + epsilon);
    const normal = row.map(value => (value - middle) * scale);
    normal.forEach((value, k) => { result.data[start + k] = value * gamma[k] + beta[k]; });
    if (!x.tangent) continue;
    const slopes = x.tangent.subarray(start, start + x.width), meanSlope = mean(slopes);
    const along = mean(slopes.map((slope, k) => slope * normal[k]));
    slopes.forEach((slope, k) => {
      result.tangent[start + k] = (slope - meanSlope - normal[k] * along) * scale * gamma[k];
    });
  }
  return result;
}

function leakyRelu([x], arrays, operation) {
  const result = target(x, operation), { slope } = operation;
  for (let i = 0; x.tangent && i < x.data.length; i++) result.tangent[i] = x.tangent[i] * (x.data[i] > 0 ? 1 : slope);
  for (let i = 0; i < x.data.length; i++) result.data[i] = x.data[i] > 0 ? x.data[i] : slope * x.data[i];
  return result;
}

function tanh([x]) {
  const data = x.data.map(Math.tanh);
  return batch(x.n, x.m, x.width, data, x.tangent && x.tangent.map((slope, i) => slope * (1 - data[i] ** 2)));
}

function sigmoid([x]) {
  const data = x.data.map(value => 1 / (1 + Math.exp(-value)));
  return batch(x.n, x.m, x.width, data, x.tangent && x.tangent.map((slope, i) => slope * data[i] * (1 - data[i])));
}

function rescale([x], arrays, operation) {
  const { scale, offset } = operation;
  return affine(x, new Float64Array(x.width).fill(scale), new Float64Array(x.width).fill(offset), operation);
}

// Rows of several batches for the same observation and action, added or one after the other: each batch is added to the
// result from its offset on.
function combined(parts, width, offsets) {
  const n = Math.max(...parts.map(part => part.n)), m = Math.max(...parts.map(part => part.m));
  const result = batch(n, m, width);
  if (parts.some(part => part.tangent)) result.tangent = new Float64Array(n * m * width);
  parts.forEach((part, p) => {
    addRows(result, result.data, part, part.data, offsets[p]);
    if (part.tangent) addRows(result, result.tangent, part, part.tangent, offsets[p]);
  });
  return result;
}

function addRows(result, to, part, from, offset) {
  for (let i = 0; i < result.n; i++) {
    for (let j = 0; j < result.m; j++) {
      const target = (i * result.m + j) * result.width + offset;
      const source = ((part.n === 1 ? 0 : i) * part.m + (part.m === 1 ? 0 : j)) * part.width;
      for (let k = 0; k < part.width; k++) to[target + k] += from[source + k];
    }
  }
}

function add(parts) {
  return combined(parts, parts[0].width, parts.map(() => 0));
}

function concatenate(parts) {
  let width = 0;
  const offsets = parts.map(part => (width += part.width) - part.width);
  return combined(parts, width, offsets);
}

const OPERATIONS = {
  standardize, dense, leaky_relu: leakyRelu, batch_norm: batchNorm, layer_norm: layerNorm, rescale, tanh, sigmoid,
  add, concatenate,
};

// The operations of both networks with their weights of a moment.
function networksAt(training, index) {
  training.bound ??= [];
  return training.bound[index] ??= bind(training, index);
}

function bind({ networks, weights }, index) {
  const start = index * networks.n_weights;
  const values = Float64Array.from(weights.values.subarray(start, start + networks.n_weights));
  const bound = (operations, nInputs) => operations.map(operation => ({
    ...operation,
    arrays: operation.arrays.map(({ start, shape }) => values.subarray(start, start + size(shape))),
    isOnlyReader: operation.inputs[0] >= nInputs && readersOf(operations, operation.inputs[0]) === 1,
  }));
  return { actor: bound(networks.actor, 1), critic: bound(networks.critic, 2) };
}

function readersOf(operations, number) {
  return operations.reduce((sum, { inputs }) => sum + inputs.filter(input => input === number).length, 0);
}

// Fills in the values of all operations whose inputs are known; values holds the network's inputs, and what is known.
function compute(operations, values, nInputs) {
  operations.forEach((operation, i) => {
    const inputs = operation.inputs.map(number => values[number]);
    if (values[nInputs + i] || inputs.includes(undefined)) return;
    values[nInputs + i] = OPERATIONS[operation.kind](inputs, operation.arrays, operation);
  });
  return values;
}

// Scaled actions, a batch of (n, 1) rows, for observations in the environment's units, likewise.
function evaluateActor(networks, observations) {
  return compute(networks.actor, [observations], 1).at(-1);
}

// What the critic computes from observations alone, for any number of calls with actions.
function prepareCritic(networks, observations) {
  const known = new Array(2 + networks.critic.length);
  known[0] = observations;
  return compute(networks.critic, known, 2);
}

// Q of prepared observations and scaled actions.
function evaluateCritic(networks, prepared, actions) {
  const values = [...prepared];
  values[1] = actions;
  return compute(networks.critic, values, 2).at(-1);
}

// Scaled values of an action dimension, evenly spaced.
function actionLine(length) {
  return Float64Array.from({ length }, (_, i) => length > 1 ? -1 + 2 * i / (length - 1) : 0);
}

// Actions that have one dimension on the line, and the others of the policy.
function actionsOnLine(policy, dimension, line) {
  if (policy.width === 1) return batch(1, line.length, 1, line);
  const actions = batch(policy.n, line.length, policy.width);
  for (let i = 0, to = 0; i < policy.n; i++) {
    for (let j = 0; j < line.length; j++, to += policy.width) {
      actions.data.set(policy.data.subarray(i * policy.width, (i + 1) * policy.width), to);
      actions.data[to + dimension] = line[j];
    }
  }
  return actions;
}

// The networks in some states: per state the maximum and the deviation of Q over the line of an action dimension, the
// action at the maximum, the policy, and dQ/da there; actions are in the environment's units.
function evaluateStates(training, index, observations, dimension, nActions, actionLow, actionHigh) {
  const networks = networksAt(training, index), { n } = observations;
  const middle = (actionHigh[dimension] + actionLow[dimension]) / 2;
  const half = (actionHigh[dimension] - actionLow[dimension]) / 2;
  const policy = evaluateActor(networks, observations), { width } = policy;
  const prepared = prepareCritic(networks, observations);
  const atPolicy = { ...policy, tangent: policy.data.map((_, i) => Number(i % width === dimension)) };
  const slopes = evaluateCritic(networks, prepared, atPolicy).tangent;
  const line = actionLine(nActions);
  const q = evaluateCritic(networks, prepared, actionsOnLine(policy, dimension, line)).data;
  const result = { gradient: slopes.map(slope => slope / half), policy: new Float64Array(n) };
  for (const name of ["qMax", "spread", "actionAtQMax"]) result[name] = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let best = 0, sum = 0, square = 0;
    const start = i * nActions;
    for (let j = 0; j < nActions; j++) {
      sum += q[start + j];
      if (q[start + j] > q[start + best]) best = j;
    }
    for (let j = 0; j < nActions; j++) square += (q[start + j] - sum / nActions) ** 2;
    result.qMax[i] = q[start + best];
    result.spread[i] = Math.sqrt(square / nActions);
    result.actionAtQMax[i] = middle + half * line[best];
    result.policy[i] = middle + half * policy.data[i * width + dimension];
  }
  return result;
}

// Q along an action dimension in one state, and all of the policy's action; actions are in the environment's units.
function evaluateState(training, index, observation, dimension, nActions, actionLow, actionHigh) {
  const networks = networksAt(training, index);
  const policy = evaluateActor(networks, observation);
  const prepared = prepareCritic(networks, observation);
  const line = actionsOnLine(policy, dimension, actionLine(nActions));
  const unscale = (value, k) => (actionHigh[k] + actionLow[k]) / 2 + value * (actionHigh[k] - actionLow[k]) / 2;
  return {
    q: evaluateCritic(networks, prepared, line).data,
    qOfPolicy: evaluateCritic(networks, prepared, policy).data[0],
    policy: Array.from(policy.data, unscale),
    line: Array.from(actionLine(nActions), value => unscale(value, dimension)),
  };
}

// About how many multiplications a state of a plane takes: it decides how finely planes are evaluated.
function costOf(networks, nActions, actionSize) {
  const depends = [{ observation: true }, { action: true }];
  let cost = 0;
  for (const { arrays } of networks.actor) cost += numbersIn(arrays);
  for (const { arrays, inputs } of networks.critic) {
    const observation = inputs.some(i => depends[i].observation), action = inputs.some(i => depends[i].action);
    depends.push({ observation, action });
    const perLine = observation || actionSize > 1 ? nActions : 0;
    cost += numbersIn(arrays) * (action ? perLine + 2 : 1);
  }
  return cost;
}

function numbersIn(arrays) {
  return arrays.reduce((sum, { shape }) => sum + size(shape), 0);
}
