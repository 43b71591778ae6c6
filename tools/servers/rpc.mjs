let calls = 0;

async function send(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

function resultOf(method, answer) {
  if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
  return answer.result;
}

export async function rpc(url, method, ...params) {
  return resultOf(method, await send(url, { jsonrpc: '2.0', id: ++calls, method, params }));
}

export async function rpcAll(url, requests) {
  const batch = requests.map(([method, ...params]) => ({ jsonrpc: '2.0', id: ++calls, method, params }));
  const answers = await send(url, batch);
  return batch.map(({ id, method }) =>
    resultOf(
      method,
      answers.find((answer) => answer.id === id),
    ),
  );
}
