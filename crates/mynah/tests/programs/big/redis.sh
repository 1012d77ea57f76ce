# redis: a server with its append-only file and snapshots in the directory, a benchmark, and all there again after a restart.
cd "$1"
# On a socket, so that no two runs meet; in a local directory, because a name of 107 bytes must do.
local=$(mktemp -d -p /tmp)
trap 'rm -rf "$local"' EXIT
start() {
    redis-server --port 0 --unixsocket "$local/s" --dir "$PWD" --appendonly yes --save '' --daemonize yes \
        --pidfile "$local/pid" --logfile "$local/log" > "$local/start" || cat "$local/start" "$local/log"
    for _ in $(seq 600); do
        [ "$(redis-cli -s "$local/s" ping 2> /dev/null)" = PONG ] && return
        sleep 0.1
    done
    cat "$local/log"
    return 1
}
stop() {
    pid=$(cat "$local/pid")
    redis-cli -s "$local/s" shutdown "$@"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
}
cli() { redis-cli -s "$local/s" "$@"; }
start
cli set key value
for i in $(seq 200); do echo "rpush list $i"; done | cli > answers
tail -1 answers
redis-benchmark -s "$local/s" -n 2000 -c 20 -q -t set,lpush,incr > benchmark
cli dbsize
cli save
ls appendonlydir | wc -l
[ -s dump.rdb ] && redis-check-rdb dump.rdb | grep -c 'keys read'
cli bgrewriteaof
while [ "$(cli info persistence | tr -d '\r' | grep -E '^aof_rewrite_in_progress|^aof_rewrite_scheduled' | grep -c ':1')" != 0 ]; do sleep 0.1; done
stop nosave
start
cli get key
cli llen list
cli lrange list 0 2
cli debug nothing 2>&1 | head -1 | cut -c 1-3
stop save
cat appendonlydir/*.incr.aof | wc -c | grep -qE '^[0-9]+$' && echo logged
rm -r appendonlydir dump.rdb answers benchmark
