# python3: threads, subprocess, mmap, shutil, tempfile, sqlite, modules imported from the directory.
cd "$1"
export PYTHONDONTWRITEBYTECODE=1
cat > work.py <<'END'
import concurrent.futures, fcntl, glob, json, mmap, os, pathlib, shutil, subprocess, sys, tempfile, threading
import helper
print(helper.where() == os.path.join(os.getcwd(), "helper.py"), os.getcwd() == sys.argv[1])
def write(i):
    with open(f"t{i}", "w") as f: f.write("x" * i * 100)
    return os.path.getsize(f"t{i}")
with concurrent.futures.ThreadPoolExecutor(16) as pool: print(sum(pool.map(write, range(100))))
print(len(glob.glob("t*")), sorted(os.listdir("."))[:3])
with open("m", "wb") as f: f.write(b"\0" * 100000)
with open("m", "r+b") as f:
    with mmap.mmap(f.fileno(), 0) as m:
        m[500:505] = b"hello"
        m.flush()
        print(m.find(b"hello"))
        m.resize(200000)
print(os.path.getsize("m"), open("m", "rb").read().count(b"hello"))
print(subprocess.run(["cat", "t1"], capture_output=True, text=True).stdout == "x" * 100)
with open("out", "w") as f:
    print(subprocess.call("echo from shell; exit 3", shell=True, stdout=f), open("out").read())
print(subprocess.Popen(["wc", "-c"], stdin=open("t2"), stdout=subprocess.PIPE, cwd=".").communicate()[0].split())
p = pathlib.Path("p/q")
p.mkdir(parents=True)
(p / "f").write_text("text")
(p / "f").rename(p / "g")
print([str(x) for x in sorted(pathlib.Path("p").rglob("*"))], (p / "g").stat().st_size, p.resolve().parent.name)
shutil.copytree("p", "p2")
shutil.move("p2", "p3")
shutil.make_archive("arch", "zip", "p3")
shutil.unpack_archive("arch.zip", "un")
print(sorted(os.listdir("un/q")))
os.remove("arch.zip")
shutil.rmtree("p3")
with tempfile.TemporaryDirectory(dir=".") as d:
    open(os.path.join(d, "x"), "w").close()
    print(len(os.listdir(d)))
with tempfile.TemporaryFile(dir=".") as f:
    f.write(b"anonymous")
    f.seek(0)
    print(f.read())
with tempfile.NamedTemporaryFile(dir=".") as f:
    f.write(b"named")
    f.flush()
    print(os.path.getsize(f.name))
with open("lock", "w") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    fcntl.lockf(open("lock", "a"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("locked")
json.dump({"a": [1, 2]}, open("j", "w"))
print(json.load(open("j")))
failing = [
    lambda: open("none"),
    lambda: open("p"),
    lambda: os.mkdir("p"),
    lambda: os.rmdir("p"),
    lambda: os.rename("none", "x"),
    lambda: os.listdir("t1"),
    lambda: os.scandir("none"),
    lambda: open("t1/x"),
]
for call in failing:
    try:
        call()
        print("no error")
    except OSError as e:
        print(e.errno, type(e).__name__, e.filename)
with os.scandir(".") as it: print(sum(e.is_file() for e in it))
r, w = os.pipe()
pid = os.fork()
if pid == 0: os.write(w, open("t3").read(5).encode()); os._exit(4)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.read(r, 10))
os.symlink("t1", "s")
print(os.readlink("s"), os.path.islink("s"), os.path.samefile("s", "t1"))
os.utime("t1", ns=(10**18 + 5, 10**18 + 7))
print(os.stat("t1").st_mtime_ns)
os.truncate("t1", 3)
os.chmod("t1", 0o600)
print(oct(os.stat("t1").st_mode), os.access("t1", os.X_OK))
results = []
def race(): results.append(open("shared", "a").write("line\n"))
threads = [threading.Thread(target=race) for _ in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(results), len(open("shared").readlines()))
END
printf 'def where(): return __file__\n' > helper.py
/usr/bin/python3 "$PWD/work.py" "$PWD"
echo 'print("from stdin")' | /usr/bin/python3
/usr/bin/python3 -m json.tool j
/usr/bin/python3 -c 'import compileall; print(compileall.compile_file("helper.py", quiet=1))'
ls __pycache__ | wc -l
rm -r __pycache__
