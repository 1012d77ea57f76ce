//! Programs that watch remote directories and files by inotify.

mod site;

use mynah_testkit::run::Ended;
use site::{Site, assert_ended};

#[test]
fn tail_follows_a_remote_log_and_the_one_that_takes_its_name() {
    let site = Site::new("tail");
    let server = site.serve();
    // It would look again after 1000 seconds by itself.
    let script = format!(
        "cd {} && echo one > log
        tail -s 1000 -n +1 -F log > shown 2> told & tail=$!
        until grep -q one shown; do :; done; echo two >> log
        until grep -q two shown; do :; done; mv log log.1; echo three > log
        until grep -q three shown; do :; done
        kill $tail; cat shown",
        server.mount().display()
    );
    let outcome = site.shell(&[], &script);
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "one\ntwo\nthree\n");
}

#[test]
fn inotifywait_tells_of_a_tree_as_it_changes() {
    let site = Site::new("inotifywait");
    let server = site.serve();
    let script = format!(
        "cd {} && mkdir -p tree/below
        inotifywait -q -m -r --format '%w%f %e' -e create,delete,move,close_write tree > told 2>&1 & watcher=$!
        until touch tree/begin && rm tree/begin && grep -q begin told; do :; done
        echo text > tree/file; mv tree/file tree/below/moved; rm tree/below/moved; touch tree/end
        until grep -q end told; do :; done
        kill $watcher; grep -e file -e moved told",
        server.mount().display()
    );
    let outcome = site.shell(&[], &script);
    assert_ended(&outcome, Ended::Exit(0));
    let expected = "tree/file CREATE\ntree/file CLOSE_WRITE,CLOSE\ntree/file MOVED_FROM\n\
                    tree/below/moved MOVED_TO\ntree/below/moved DELETE\n";
    assert_eq!(outcome.out(), expected);
}
