# Chromium without a window, its own sandbox on: prints a page's elements and the page itself, its profile in the directory.
cd "$1"
cat > style.css <<'END_STYLE'
body { color: rgb(1, 2, 3) }
END_STYLE
cat > page.html <<'END_PAGE'
<!doctype html><html><head><link rel="stylesheet" href="style.css"></head><body><p id="p">not run</p>
<script>
  const body = getComputedStyle(document.body);
  document.getElementById("p").textContent = "colour " + body.color + ", sum " + [...Array(101).keys()].reduce((a, b) => a + b);
</script></body></html>
END_PAGE
# Its shared memory on disk: /dev/shm is small in containers.
browser() {
    chromium --headless=new --disable-gpu --disable-dev-shm-usage --no-first-run --disable-extensions --disable-background-networking \
        --user-data-dir="$PWD/profile" --allow-file-access-from-files "$@" "file://$PWD/page.html" 2> errors || { cat errors; return 1; }
}
browser --dump-dom | grep -o '<p id.*</p>'
browser --print-to-pdf=page.pdf
head -c 5 page.pdf; echo
browser --screenshot=page.png --window-size=200,100
head -c 4 page.png | od -c | head -1
[ -d profile/Default ] && echo a profile
rm -rf profile errors page.pdf page.png
