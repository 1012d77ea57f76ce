# node: files by callbacks, promises and streams, child processes, worker threads, modules of both kinds, a server; npm: pack, and
# the installation of a local package with its programs and scripts.
cd "$1"
cat > work.js <<'X'
const fs = require('fs'), path = require('path'), cp = require('child_process'), os = require('os');
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
if (!isMainThread) {
  fs.writeFileSync(`w${workerData}`, 'x'.repeat(workerData * 1000));
  parentPort.postMessage(fs.statSync(`w${workerData}`).size);
} else (async () => {
  console.log(process.cwd() === process.argv[2], __filename === path.join(process.argv[2], 'work.js'));
  fs.mkdirSync('a/b/c', { recursive: true });
  fs.writeFileSync('a/b/c/f', 'text');
  fs.appendFileSync('a/b/c/f', ' more');
  console.log(fs.readFileSync('a/b/c/f', 'utf8'), fs.statSync('a/b/c/f').size);
  fs.copyFileSync('a/b/c/f', 'copy');
  fs.renameSync('copy', 'moved');
  fs.symlinkSync('moved', 'link');
  fs.linkSync('moved', 'hard');
  console.log(fs.readlinkSync('link'), fs.lstatSync('link').isSymbolicLink(), fs.statSync('moved').nlink, path.basename(fs.realpathSync('link')));
  fs.cpSync('a', 'a2', { recursive: true });
  console.log(fs.readdirSync('a2', { recursive: true }).sort());
  fs.rmSync('a2', { recursive: true });
  fs.truncateSync('moved', 2); fs.utimesSync('moved', 1, 2); fs.chmodSync('moved', 0o600);
  console.log(fs.statSync('moved').mtimeMs, (fs.statSync('moved').mode & 0o777).toString(8), fs.readFileSync('hard', 'latin1'));
  const p = fs.promises;
  await Promise.all([...Array(200).keys()].map(i => p.writeFile(`p${i}`, `${i}\n`)));
  const all = await Promise.all([...Array(200).keys()].map(i => p.readFile(`p${i}`, 'utf8')));
  console.log(all.join('').length, (await p.readdir('.')).length);
  const h = await p.open('h', 'w+'); await h.write('handle'); await h.sync(); console.log((await h.stat()).size); await h.close();
  for (const f of [() => fs.readFileSync('none'), () => fs.mkdirSync('a'), () => fs.rmdirSync('a'), () => fs.readFileSync('a'), () => fs.openSync('h', 'wx')])
    try { f(); console.log('no error') } catch (e) { console.log(e.code, e.syscall) }
  await new Promise((done, fail) => fs.createReadStream('/usr/bin/env').pipe(fs.createWriteStream('stream')).on('finish', done).on('error', fail));
  console.log(fs.readFileSync('stream').equals(fs.readFileSync('/usr/bin/env')));
  fs.unlinkSync('stream');
  console.log(cp.execSync('cat h; pwd', { encoding: 'utf8' }).replace(process.cwd(), 'W'));
  console.log(cp.spawnSync('sh', ['-c', 'exit 7']).status, cp.spawnSync('none').error.code);
  const c = cp.spawn('wc', ['-c'], { stdio: ['pipe', 'pipe', 'inherit'], cwd: 'a' });
  c.stdin.end('four'); let out = ''; for await (const d of c.stdout) out += d; console.log(out.trim());
  const f = cp.fork('child.js'); console.log(await new Promise(r => f.once('message', r))); f.send('go');
  console.log(await new Promise(r => f.once('exit', (code, signal) => r([code, signal]))));
  const t = cp.spawn('sleep', ['1000']); t.kill(); console.log(await new Promise(r => t.once('exit', (code, signal) => r(signal))));
  console.log(await Promise.all([1,2,3,4,5,6,7,8].map(i => new Promise((r, x) => new Worker(__filename, { workerData: i }).once('message', r).once('error', x)))));
  const m = await import(path.join(process.cwd(), 'm.mjs')); console.log(m.where.endsWith('/m.mjs'));
  const net = require('net'); const s = net.createServer(c => c.end('served')).listen(0, '127.0.0.1', () => { net.connect(s.address().port, '127.0.0.1').on('data', d => { console.log(String(d)); s.close() }) });
})();
X
echo 'process.send({ready: process.cwd() !== ""}); process.once("message", m => process.exit(m === "go" ? 5 : 6))' > child.js
echo 'export const where = import.meta.url' > m.mjs
node work.js "$PWD"
echo == npm
mkdir lib app
echo '{"name":"lib","version":"1.2.3","main":"i.js","bin":{"say":"say.js"}}' > lib/package.json
echo 'module.exports = "from lib"' > lib/i.js
printf '#!/usr/bin/env node\nconsole.log("said", require("lib"))\n' > lib/say.js
cd lib; npm pack --silent; cd ..
echo '{"name":"app","version":"1.0.0","scripts":{"start":"say","build":"echo built in $npm_package_name > mark"}}' > app/package.json
cd app
npm install --silent --offline --no-audit --no-fund --cache "$PWD/../npm-cache" ../lib/lib-1.2.3.tgz
npm start --silent
npm run build --silent
npm ls --silent | tail -n +2
cat mark
ls node_modules/.bin
readlink node_modules/.bin/say
cd ..
rm -r npm-cache
