# nginx: serves the directory, by sendfile too; ranges, a listing, uploads, its log there; workers that are told to reload and to stop.
cd "$1"
mkdir -p site/sub logs temporary
for i in $(seq 20); do seq $((i * 500)) > site/f$i; done
echo '<p>hello</p>' > site/index.html
ln -s f1 site/link
local=$(mktemp -d -p /tmp)
trap 'rm -rf "$local"' EXIT
cat > nginx.conf <<END
worker_processes 2;
pid $local/pid;
error_log $PWD/logs/error.log;
events { worker_connections 64; }
http {
    access_log $PWD/logs/access.log;
    client_body_temp_path $PWD/temporary/body;
    proxy_temp_path $PWD/temporary/proxy;
    fastcgi_temp_path $PWD/temporary/fastcgi;
    uwsgi_temp_path $PWD/temporary/uwsgi;
    scgi_temp_path $PWD/temporary/scgi;
    sendfile on;
    open_file_cache max=100;
    server {
        listen unix:$local/s;
        root $PWD/site;
        location /sub/ { dav_methods PUT DELETE; }
        location /list/ { alias $PWD/site/; autoindex on; index none; }
    }
}
END
NGINX=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx)
"$NGINX" -p "$PWD" -c nginx.conf -t 2>&1 | grep -v alert | sed 's/nginx: //' | tail -1
"$NGINX" -p "$PWD" -c nginx.conf 2>&1 | grep -vE 'alert|notice' || true
get() { curl -s --unix-socket "$local/s" "$@"; }
for _ in $(seq 600); do get -o greeting http://x/ && break; sleep 0.1; done
cat greeting
for i in $(seq 20); do get http://x/f$i | cmp - site/f$i; done
get http://x/link | md5sum
get -r 10-19 http://x/f20 | od -c | head -2
get -o /dev/null -w '%{http_code}\n' http://x/none
get http://x/list/ | grep -c '<a href="f'
get -T site/f3 -o /dev/null -w '%{http_code}\n' http://x/sub/put
cmp site/sub/put site/f3 && echo uploaded
seq 8 | xargs -P 8 -I{} curl -s --unix-socket "$local/s" http://x/f2{} -o /dev/null
echo changed > site/index.html.new
mv site/index.html.new site/index.html
"$NGINX" -p "$PWD" -c nginx.conf -s reload 2>&1 | grep -vE 'alert|notice' || true
# A worker that goes may still answer, with what it has open.
for _ in $(seq 600); do [ "$(get http://x/)" = changed ] && echo reloaded && break; sleep 0.1; done
pid=$(cat "$local/pid")
"$NGINX" -p "$PWD" -c nginx.conf -s quit 2>&1 | grep -vE 'alert|notice' || true
while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
grep -c 'GET /f' logs/access.log
rm -r logs temporary nginx.conf greeting
