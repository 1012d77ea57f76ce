# postgres: a cluster made, a server started, tables and pgbench, a crash and the recovery from it, and a stop.
cd "$1"
bin=$(pg_config --bindir 2> /dev/null || ls -d /usr/lib/postgresql/*/bin | tail -1)
local=$(mktemp -d -p /tmp)
trap 'rm -rf "$local"' EXIT
export PGHOST=$local PGUSER=me PGDATABASE=postgres PGDATA=$PWD/data
"$bin/initdb" --username me --auth trust --no-sync --encoding UTF8 --locale C > init.log 2>&1 || cat init.log
cat >> data/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$local'
shared_buffers = 16MB
log_min_messages = warning
END
control() { "$bin/pg_ctl" -w -t 120 -l "$local/log" "$@" > "$local/control" 2>&1 || { cat "$local/control" "$local/log"; return 1; }; }
sql() { psql -qAtX -v ON_ERROR_STOP=1 "$@"; }
control start
sql <<END
create table t (id serial primary key, text text);
insert into t (text) select 'row ' || i from generate_series(1, 5000) i;
create index on t (text);
update t set text = text || '!' where id % 7 = 0;
delete from t where id % 11 = 0;
vacuum t;
select count(*), sum(length(text)) from t;
select text from t where text like 'row 77%' order by text limit 3;
copy (select * from t where id < 4) to '$PWD/copied';
create table c (id int, text text);
copy c from '$PWD/copied';
select count(*) from c;
END
cat copied
"$bin/pgbench" -i -q -s 1 > bench.log 2>&1 || cat bench.log
"$bin/pgbench" -n -c 4 -j 2 -t 25 > bench.log 2>&1 || cat bench.log
grep 'actually processed' bench.log
sql -c 'select count(*) from pgbench_history'
control stop -m immediate
control start
sql -c 'select count(*) from pgbench_history' -c 'select count(*) from t' -c 'checkpoint'
pg_dump --table t | grep -c '^[0-9]'
control restart -m fast
sql -c "select pg_size_pretty(0::bigint), count(*) from t"
control stop -m fast
ls data | grep -c '^base$'
rm -r data init.log bench.log copied
