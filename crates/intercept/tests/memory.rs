//! A tracee's memory, read from a child that has laid it out.
#![allow(clippy::unwrap_used)]

mod supervised;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use mynah_intercept::memory::{MemoryError, read, read_c_string, read_some, read_u32, read_u64, write};
use mynah_intercept::pidfd::PidFd;
use mynah_intercept::{Tid, UserPtr};
use supervised::Scratch;

/// Two pages, of which the second goes away; a string that ends at the last byte, one that does not end, a long one.
const LAID_OUT: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
  char *long_one = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(long_one, 'x', 5000);
  char *page = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page + 4096, 4096, PROT_NONE);
  strcpy(page, "a string");
  strcpy(page + 4096 - 7, "at end");
  char *open_end = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(open_end, 'y', 4096);
  mprotect(open_end + 4096, 4096, PROT_NONE);
  char *fixed = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("%lu %lu %lu %lu\n", (long)page, (long)open_end, (long)long_one, (long)fixed);
  fflush(stdout);
  getchar();
  return 0;
}"#;

struct Tracee {
    child: Child,
    tid: Tid,
    page: UserPtr,
    open_end: UserPtr,
    long_one: UserPtr,
    fixed: UserPtr,
}

impl Tracee {
    fn start(scratch: &Scratch) -> Tracee {
        let program = scratch.cc("laid_out", LAID_OUT);
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut addresses = line.split_ascii_whitespace().map(|word| UserPtr(word.parse().unwrap()));
        let mut next = || addresses.next().unwrap();
        Tracee {
            tid: Tid(child.id() as i32),
            child,
            page: next(),
            open_end: next(),
            long_one: next(),
            fixed: next(),
        }
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn strings_are_read_up_to_their_end_and_no_further() {
    let tracee = Tracee::start(&Scratch::new());
    let string = |at, max| read_c_string(tracee.tid, at, max);
    assert_eq!(string(tracee.page, 4096).unwrap(), b"a string");
    assert_eq!(string(tracee.page.offset(8), 4096).unwrap(), b"");
    assert_eq!(string(tracee.page.offset(4096 - 7), 4096).unwrap(), b"at end");
    assert_eq!(string(tracee.long_one, 8192).unwrap(), vec![b'x'; 5000]);
    assert_eq!(string(tracee.page, 9).unwrap(), b"a string");
    assert_eq!(string(tracee.page, 8), Err(MemoryError::TooLong));
    assert_eq!(string(tracee.long_one, 4096), Err(MemoryError::TooLong));
    assert_eq!(string(tracee.open_end, 8192), Err(MemoryError::Fault));
    assert_eq!(string(UserPtr(0), 4096), Err(MemoryError::Fault));
    assert_eq!(string(UserPtr(u64::MAX), 4096), Err(MemoryError::Fault));
}

#[test]
fn reads_and_writes_end_where_the_mapping_does() {
    let tracee = Tracee::start(&Scratch::new());
    let mut bytes = [0; 8192];
    assert_eq!(read(tracee.tid, tracee.page, &mut bytes), Err(MemoryError::Fault));
    assert_eq!(read_some(tracee.tid, tracee.page, &mut bytes), Ok(4096));
    assert_eq!(read_some(tracee.tid, tracee.page.offset(4096), &mut bytes), Err(MemoryError::Fault));
    assert_eq!(read_some(tracee.tid, UserPtr(0), &mut []), Ok(0));
    write(tracee.tid, tracee.page.offset(16), &0x1122_3344_5566_7788_u64.to_ne_bytes()).unwrap();
    assert_eq!(read_u64(tracee.tid, tracee.page.offset(16)), Ok(0x1122_3344_5566_7788));
    assert_eq!(read_u32(tracee.tid, tracee.page.offset(16)), Ok(0x5566_7788));
    assert_eq!(write(tracee.tid, tracee.page.offset(4090), b"too long"), Err(MemoryError::Fault));
    assert_eq!(write(tracee.tid, tracee.fixed, b"read-only"), Err(MemoryError::Fault));
}

#[test]
fn a_process_that_has_ended_is_gone() {
    let mut tracee = Tracee::start(&Scratch::new());
    let pidfd = PidFd::open(tracee.tid).unwrap();
    assert!(!pidfd.has_ended());
    pidfd.kill(libc::SIGRTMIN()).unwrap();
    tracee.child.wait().unwrap();
    assert!(pidfd.has_ended());
    assert_eq!(read_u32(tracee.tid, tracee.page), Err(MemoryError::Gone));
    assert_eq!(pidfd.get_fd(0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
}

#[test]
fn a_fetched_descriptor_is_the_same_open_file() {
    let tracee = Tracee::start(&Scratch::new());
    let fetched = PidFd::open_thread(tracee.tid).unwrap().get_fd(0).unwrap();
    let theirs = std::fs::read_link(format!("/proc/{}/fd/0", tracee.tid)).unwrap();
    let ours = std::os::fd::AsRawFd::as_raw_fd(&fetched);
    assert_eq!(std::fs::read_link(format!("/proc/self/fd/{ours}")).unwrap(), theirs);
}
