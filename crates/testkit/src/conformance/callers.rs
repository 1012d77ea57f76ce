//! Many callers at once, and callers who give up.

use super::{CREATE, CREATE_NEW, Place, READ, READ_WRITE, cases, ok};
use bytes::Bytes;
use mynah_vfs::{Errno, Op, RenameHow, SetAttrs};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use tokio::task::JoinSet;

cases![
    callers_do_not_disturb_each_other,
    writers_of_one_file_keep_to_their_ranges,
    one_of_many_makes_a_file,
    one_of_many_makes_a_directory,
    one_of_many_moves_a_file,
    a_listing_among_changes_is_sound,
    calls_that_are_given_up_leave_no_trace,
    a_file_with_calls_given_up_still_works,
];

const CALLERS: usize = 32;

/// Runs `call` in as many tasks as there are callers and gathers what they give.
async fn together<T, F>(at: &Place, call: impl Fn(Place, usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..CALLERS {
        tasks.spawn(call(at.clone(), number));
    }
    tasks.join_all().await
}

async fn callers_do_not_disturb_each_other(at: Place) {
    together(&at, |at, number| async move {
        let dir = format!("d{number}");
        at.mkdir(&dir).await;
        for round in 0..10_u8 {
            let (one, other) = (format!("{dir}/one"), format!("{dir}/other"));
            let content = vec![number as u8 ^ round; 10_000 + number];
            at.write(&one, content.clone()).await;
            ok(at.driver.rename(&at.path(&one), &at.path(&other), RenameHow::Replace).await);
            assert!(at.read(&other).await == content, "caller {number} reads what another wrote");
            ok(at.unlink(&other).await);
        }
        ok(at.driver.rmdir(&at.path(&dir)).await);
    })
    .await;
    assert!(at.names().await.is_empty());
}

async fn writers_of_one_file_keep_to_their_ranges(at: Place) {
    const PIECE: usize = 20_001;
    let file = ok(at.open("f", CREATE).await).file;
    together(&at, |at, number| {
        let file = file.clone();
        async move {
            // Half of them share one open, half have their own.
            let file = if number % 2 == 0 { file } else { ok(at.open("f", READ_WRITE).await).file };
            ok(file.write_at((number * PIECE) as u64, Bytes::from(vec![number as u8; PIECE])).await);
        }
    })
    .await;
    let data = ok(file.read_at(0, CALLERS * PIECE + 1).await);
    assert_eq!(data.len(), CALLERS * PIECE);
    for (number, piece) in data.chunks(PIECE).enumerate() {
        assert!(piece.iter().all(|&byte| byte == number as u8), "the piece of writer {number}");
    }
}

/// How many callers succeeded, if all others failed with `errno`.
#[track_caller]
fn winners<T>(results: Vec<mynah_vfs::Result<T>>, errno: Errno) -> usize {
    let mut count = 0;
    for result in results {
        match result {
            Ok(_) => count += 1,
            Err(error) => assert_eq!(error.errno(), errno, "{error}"),
        }
    }
    count
}

async fn one_of_many_makes_a_file(at: Place) {
    let results = together(&at, |at, _| async move { at.open("f", CREATE_NEW).await }).await;
    assert_eq!(winners(results, Errno::EEXIST), 1);
}

async fn one_of_many_makes_a_directory(at: Place) {
    let results = together(&at, |at, _| async move { at.driver.mkdir(&at.path("d"), 0o755).await }).await;
    assert_eq!(winners(results, Errno::EEXIST), 1);
}

async fn one_of_many_moves_a_file(at: Place) {
    at.write("f", "").await;
    let results = together(&at, |at, number| async move {
        at.driver.rename(&at.path("f"), &at.path(format!("to{number}")), RenameHow::Replace).await
    })
    .await;
    assert_eq!(winners(results, Errno::ENOENT), 1);
    assert_eq!(at.names().await.len(), 1);
}

async fn a_listing_among_changes_is_sound(at: Place) {
    for number in 0..100 {
        at.write(format!("stays{number}"), "").await;
    }
    together(&at, |at, number| async move {
        for _ in 0..5 {
            let name = format!("comes{number}");
            at.write(&name, "").await;
            let mut names = at.names().await;
            assert_eq!(names.iter().filter(|name| name.starts_with(b"stays")).count(), 100);
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "a name is shown twice");
            ok(at.unlink(&name).await);
        }
    })
    .await;
}

/// Polls a call at most `polls` times and then drops it.
async fn give_up<T>(mut call: Op<'_, T>, polls: usize) {
    for _ in 0..polls {
        let done = poll_fn(|context| match Pin::new(&mut call).poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => Poll::Ready(false),
        });
        if done.await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn calls_that_are_given_up_leave_no_trace(at: Place) {
    at.write("f", vec![7; 300_000]).await;
    at.mkdir("d").await;
    together(&at, |at, number| async move {
        let polls = number % 4;
        let (f, d) = (at.path("f"), at.path("d"));
        let (new, link) = (at.path(format!("d/new{number}")), at.path(format!("d/link{number}")));
        give_up(at.driver.lstat(&f), polls).await;
        give_up(at.driver.list(&d), polls).await;
        give_up(at.driver.open(&f, READ), polls).await;
        give_up(at.driver.open(&new, CREATE), polls).await;
        give_up(at.driver.readlink(&f), polls).await;
        give_up(at.driver.access(&f, 0), polls).await;
        give_up(at.driver.statfs(&f), polls).await;
        give_up(at.driver.mkdir(&new, 0o755), polls).await;
        give_up(at.driver.symlink(b"text", &link), polls).await;
        give_up(at.driver.set_attrs(&f, SetAttrs { mode: Some(0o644), ..SetAttrs::default() }), polls).await;
        // Whatever was given up, the next call gets its own answer.
        assert_eq!(at.stat("f").await.size, 300_000);
        assert_eq!(at.read("f").await.len(), 300_000);
    })
    .await;
    let after = ok(at.driver.list(&at.path("d")).await);
    assert!(after.iter().all(|entry| entry.name.starts_with(b"new") || entry.name.starts_with(b"link")));
}

async fn a_file_with_calls_given_up_still_works(at: Place) {
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    at.write("f", content.clone()).await;
    let file = ok(at.open("f", READ_WRITE).await).file;
    for polls in 0..20 {
        give_up(file.read_at(0, 200_000), polls % 5).await;
        give_up(file.stat(), polls % 5).await;
        give_up(file.write_at(0, Bytes::from(content.clone())), polls % 5).await;
        give_up(file.sync(), polls % 5).await;
        let offset = polls * 1000;
        let data = ok(file.read_at(offset as u64, 70_000).await);
        assert!(data == content[offset..offset + 70_000], "another call's bytes");
    }
}
