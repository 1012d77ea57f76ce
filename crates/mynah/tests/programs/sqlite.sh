# sqlite3: four concurrent writers, a rollback, WAL and rollback journals, integrity_check.
cd "$1"
for mode in delete wal truncate persist; do
  db=$mode.db; echo "pragma journal_mode=$mode; create table t(w, n, text);" | sqlite3 $db
  for w in 1 2 3 4; do (for n in $(seq 25); do printf '.timeout 60000\nbegin immediate; insert into t values(%s,%s,hex(randomblob(200))); commit;\n' $w $n; done | sqlite3 -bail $db || echo writer failed) & done; wait
  sqlite3 $db 'pragma integrity_check; select count(*), count(distinct w), sum(n) from t;'
  printf '.timeout 60000\nbegin; delete from t; rollback; begin; update t set text = upper(text) where w = 1; commit; create index i on t(w, n); vacuum; analyze;\n' | sqlite3 $db
  sqlite3 $db 'pragma integrity_check; select count(*) from t where w=1; select n from t where w=2 order by n desc limit 1;'
  sqlite3 $db ".backup copy.db"; sqlite3 copy.db 'pragma integrity_check; select count(*) from t;'; sqlite3 $db .dump | grep -c INSERT; rm copy.db $db; ls
done
sqlite3 mem.db "create table k(v); insert into k values('x');"
sqlite3 -readonly mem.db 'select * from k'
sqlite3 -readonly mem.db 'insert into k values(1)' 2>&1 || echo "status $?"
sqlite3 none/x.db 'select 1 from t' 2>&1 || echo "status $?"
sqlite3 mem.db 'pragma mmap_size=1000000; select count(*) from k;'
