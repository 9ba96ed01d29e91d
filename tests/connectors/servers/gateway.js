// The provincial gateway as docs/source-systems.md has it (P1, P2), in a language that the hub is not written in.
// Control: POST /_set {rows, files, faults, after, clock, rev}; GET /_log. Rows: {service: [row, ...]}.
'use strict';
const http = require('http');
const crypto = require('crypto');

const TOKEN = process.env.TOKEN;
const PAASID = process.env.PAASID;
const PREFIX = process.env.PREFIX || 'x-tif';
let state = fresh();
const nonces = new Map();

function fresh() {
  return { rows: {}, files: [], faults: [], after: [], clock: 0, calls: 0, log: [], keys: { project_filing: 'id', enterprise: 'uscc' } };
}
const now = () => Math.floor(Date.now() / 1000) + state.clock;

function send(response, status, body, headers = {}) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  response.sendDate = false;
  response.writeHead(status, {
    'Content-Type': 'application/json', Date: new Date(now() * 1000).toUTCString(), 'Content-Length': bytes.length, ...headers,
  });
  response.end(bytes);
}

function refuse(response, msg) { send(response, 500, { code: 400001, msg }); return false; }

function authorised(request, response) {
  const header = name => request.headers[`${PREFIX}-${name}`];
  const [paasid, timestamp, nonce, signature] = ['paasid', 'timestamp', 'nonce', 'signature'].map(header);
  if (!paasid || !timestamp || !nonce || !signature) return refuse(response, '鉴权参数不完整，请求不合法。');
  const wanted = crypto.createHash('sha256').update(timestamp + TOKEN + nonce + timestamp).digest('hex');
  const good = paasid === PAASID && signature.toLowerCase() === wanted && Math.abs(now() - Number(timestamp)) <= 180;
  if (!good || nonces.has(nonce)) return refuse(response, '鉴权失败，鉴权信息有误。');
  nonces.set(nonce, now());
  return true;
}

function page(rows, body) {
  const size = Math.min(Number(body.pageSize), 500);
  const totalPage = Math.ceil(rows.length / size);
  const number = Math.max(1, Math.min(Number(body.pageNumber), totalPage || 1));
  const list = rows.slice((number - 1) * size, number * size);
  // totals as digits or numbers, codes as text or numbers: both are the contract
  const odd = state.calls % 2 === 1;
  return {
    errcode: odd ? '0' : 0, errmsg: 'ok',
    data: { code: odd ? 0 : '0', status: 200, message: '查询成功！',
      data: { list, totalPage: odd ? totalPage : String(totalPage), totalRow: odd ? String(rows.length) : rows.length } },
  };
}

function query(service, body) {
  const key = state.keys[service] || 'id';
  const rows = (state.rows[service] || []).filter(row =>
    (!body.updatedFrom || row.updateTime >= body.updatedFrom) && (!body.updatedTo || row.updateTime < body.updatedTo));
  rows.sort((a, b) => a.updateTime < b.updateTime ? -1 : a.updateTime > b.updateTime ? 1 : a[key] < b[key] ? -1 : 1);
  return page(rows, body);
}

function mutate(change) {
  if (change.touch) for (const row of state.rows[change.service]) if (row.id === change.touch) Object.assign(row, change.set);
  if (change.add) state.rows[change.service].push(change.add);
}

function faulty(request, response, text) {
  const fault = state.faults.find(item => item.times > 0 && request.url.includes(item.path || ''));
  if (!fault) return false;
  if (fault.skip > 0) { fault.skip -= 1; return false; }
  fault.times -= 1;
  if (fault.kind === 'reset') {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length + 500 });
    response.write(text.slice(0, Math.floor(text.length / 2)));
    setTimeout(() => response.socket.resetAndDestroy(), 20);
  } else if (fault.kind === 'html') send(response, 502, '<html><body>502 Bad Gateway</body></html>', { 'Content-Type': 'text/html' });
  else if (fault.kind === 'away') send(response, 302, '', { Location: 'http://other.example/x' });
  else send(response, fault.status || 200, fault.body, fault.headers || {});
  return true;
}

function file(request, response, name) {
  const found = state.files.find(item => item.name === name);
  if (!found) return send(response, 404, { code: 404, msg: '文件不存在' });
  const bytes = Buffer.from(found.base64, 'base64');
  const headers = { 'Content-Type': 'application/zip', ETag: `"${found.md5}"`, 'Accept-Ranges': 'bytes' };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range || '');
  const start = range ? Number(range[1]) : 0;
  if (range && start >= bytes.length) return send(response, 416, '', { 'Content-Range': `bytes */${bytes.length}` });
  const part = bytes.subarray(start);
  if (range) headers['Content-Range'] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  if (found.cut > 0) {
    found.cut -= 1;
    response.writeHead(range ? 206 : 200, { ...headers, 'Content-Length': part.length });
    response.write(part.subarray(0, Math.ceil(part.length / 3)));
    return setTimeout(() => response.socket.resetAndDestroy(), 20);
  }
  return send(response, range ? 206 : 200, part, headers);
}

http.createServer((request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => {
    const text = Buffer.concat(parts).toString();
    const path = decodeURIComponent(request.url.replace(/^\/gw/, ''));
    if (path === '/_set') {
      const given = JSON.parse(text);
      state = { ...fresh(), ...(given.keep ? state : {}), ...given };
      return send(response, 200, {});
    }
    if (path === '/_log') return send(response, 200, state.log);
    if (!authorised(request, response)) { state.log.push({ path, refused: true }); return undefined; }
    state.calls += 1;
    const body = request.method === 'POST' ? JSON.parse(text) : {};
    state.log.push({ path, body, range: request.headers.range });
    const service = /^\/ebus\/(\w+)\/query$/.exec(path);
    let answer;
    if (service) answer = JSON.stringify(query(service[1], body));
    else if (path === '/ebus/files/list') {
      answer = JSON.stringify(page(state.files.map(item => ({ name: item.name, size: item.size, md5: item.md5, createTime: item.createTime, url: item.url })), body));
    }
    if (faulty(request, response, answer || '')) return undefined;
    if (answer) {
      send(response, 200, answer);
      state.after.filter(change => change.call === state.calls).forEach(mutate);
      return undefined;
    }
    return file(request, response, path.split('/').pop());
  });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
