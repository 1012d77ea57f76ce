# Python's virtual environments: one made, a wheel put together here and installed into it by pip without a network, its program and
# its data used, upgraded, copied by another environment, taken out again.
cd "$1"
export PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COLOR=1 PIP_ROOT_USER_ACTION=ignore
export HOME=$1/home TMPDIR=$1/tmp
mkdir home tmp
# A wheel is an archive of the package beside its description and a list of all files with their sums (PEP 427).
cat > wheel.py <<'X'
import base64, hashlib, sys, zipfile
version = sys.argv[1]
info = f'birds-{version}.dist-info'
files = {
    'birds/__init__.py': f'version = "{version}"\n',
    'birds/__main__.py': 'from birds.song import main\nmain()\n',
    'birds/song.py': 'import importlib.resources as r, sys\n'
                     'def main():\n    print(r.read_text("birds", "song.txt").strip(), sys.prefix != sys.base_prefix, *sys.argv[1:])\n',
    'birds/song.txt': f'song {version}\n',
    f'{info}/METADATA': f'Metadata-Version: 2.1\nName: birds\nVersion: {version}\n',
    f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: here\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    f'{info}/entry_points.txt': '[console_scripts]\nsing = birds.song:main\n',
}
def line(name, text):
    sum = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
    return f'{name},sha256={sum},{len(text)}\n'
files[f'{info}/RECORD'] = ''.join(line(*f) for f in files.items()) + f'{info}/RECORD,,\n'
with zipfile.ZipFile(f'birds-{version}-py3-none-any.whl', 'w', zipfile.ZIP_DEFLATED) as wheel:
    for name, text in files.items():
        wheel.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), text)
X
python3 wheel.py 1.0
python3 wheel.py 2.0
python3 -m venv env
readlink env/bin/python3 env/lib64
env/bin/python3 -c 'import sys, os; print(sys.prefix == os.path.abspath("env"), sys.base_prefix)'
env/bin/pip install -q ./birds-1.0-py3-none-any.whl
env/bin/sing from a program
head -1 env/bin/sing | sed "s|$PWD|W|"
echo == activated
. env/bin/activate
[ "$(command -v sing)" = "$PWD/env/bin/sing" ] && echo found
python -m birds from a module
python -c 'import birds, os; print(birds.version, os.path.relpath(birds.__file__))'
pip install -q --upgrade --find-links . birds
sing again
pip list --format freeze | grep birds
pip show -f birds | grep -E '^(Name|Version|  )' | sort
pip install -q none==1 2>&1 | head -1
deactivate
echo == another
python3 -m venv --system-site-packages --copies --without-pip other
[ -L other/bin/python3 ] || echo copied
env/bin/pip install -q --target flat ./birds-1.0-py3-none-any.whl
PYTHONPATH=flat other/bin/python3 -c 'import birds, sys; print(birds.version, sys.prefix.endswith("/other"))'
env/bin/pip uninstall -q -y birds
ls env/bin | grep -c sing || true
env/bin/python3 -c 'import birds' 2>&1 | tail -1
python3 -m venv --clear --without-pip env
ls env/bin
# Compiled files hold times.
rm -r env other flat home tmp *.whl
