//! Leading a task that a debugger has, and that nobody else can stop therefore.
//!
//! All that is needed of it is that it waits in a notified call, and that its memory can be written, protected or not
//! (`/proc/PID/mem`). A [`Stub`] goes where nobody has anything: behind the vdso's image, in its last page. The two bytes
//! behind the pending call's instruction become a jump to the address that the call returns, and it returns that of the
//! stub. There the task makes the call that it is told to, and reports the result by a call that is notified; it is told the
//! next one, or to go back. Then it gets its own registers and makes its own call once more, which ends with the result that
//! it is to have.
//!
//! The two bytes are put back when the task is first heard of in the stub, long before it goes back. A copy of the page is
//! the task's own, as after a debugger's breakpoint. What shares the memory and runs could meet the jump in between, and
//! whoever came there with another result than ours would be lost. So only these are led:
//!
//! * the only thread of a process, or a child of vfork whose parent waits for it, and has no other thread either;
//! * whose call is made by an instruction that makes no other (its number is a constant), or which has no handler of signals:
//!   one that ran just then might use the instruction, too. With a constant it would have to make the very call that it
//!   interrupted, which is heard of: the jump is taken away first.
//!
//! For all others the error stays. Signals are not blocked meanwhile: between two calls of the stub a handler may run, as it
//! may anywhere in a program.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::tracee::Ran;
use super::{Kin, TransientError, raw_number};
use crate::arch::{self, INSTRUCTION_BYTES, Stub, StubWords};
use crate::listener::{Answer, Listener, Notified};
use crate::memory::{self, MemoryError};
use crate::pidfd::PidFd;
use crate::{Abi, Call, Notification, Tid, UserPtr};

/// A task that is led. Its own call pends, or its last report, whenever a method is called.
pub(crate) struct Led {
    listener: Arc<Notified>,
    pidfd: PidFd,
    tid: Tid,
    call: Call,
    /// Its memory, also when it has executed another program: a parent in vfork still has it.
    memory: File,
    stub: Stub,
    /// Where the stub's words begin, and what is free behind it.
    start: u64,
    room: Range<u64>,
    serial: u64,
    /// What to answer to make it go on.
    pending: u64,
    place: Place,
    news: Receiver<News>,
    /// The new program's first call waits until that is no longer led.
    held: Option<SyncSender<bool>>,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It waits in its own call.
    OwnCall,
    /// It is on its way to the stub. These bytes are behind its call's instruction when all is well.
    Jumping([u8; INSTRUCTION_BYTES as usize]),
    /// It is in the stub.
    Stub,
    /// It has left, for another program or for its own way.
    Away,
}

/// A call of a task that is led.
struct News {
    notification: Notification,
    /// Where somebody waits to be told whether it was taken.
    taken: Option<SyncSender<bool>>,
}

/// The tasks that are led.
static LED: LazyLock<Mutex<HashMap<Tid, Entry>>> = LazyLock::new(Mutex::default);

struct Entry {
    serial: u64,
    stub: Range<u64>,
    news: Sender<News>,
    /// It has been sent back to its own call.
    leaves: bool,
}

fn table() -> MutexGuard<'static, HashMap<Tid, Entry>> {
    // No code that can panic runs under the lock, so the table is whole even then.
    LED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells one task's stub from every other's.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Passes a notification on to whoever leads its caller. False if that has no use for it.
pub(super) fn takes(notification: &Notification) -> bool {
    let (news, in_stub) = match table().get(&notification.tid) {
        Some(entry) => (entry.news.clone(), entry.stub.contains(&notification.call.ip)),
        None => return false,
    };
    let notification = *notification;
    if in_stub {
        return news.send(News { notification, taken: None }).is_ok();
    }
    let (taken, answer) = mpsc::sync_channel(1);
    news.send(News { notification, taken: Some(taken) }).is_ok() && answer.recv().unwrap_or(false)
}

impl Led {
    /// Prepares for leading the caller of a pending notification. Nothing that it could notice is done yet.
    pub(super) fn begin(listener: &Listener, n: &Notification) -> Result<Led, TransientError> {
        match Self::prepare(listener.notified().ok_or(TransientError::Traced)?, n) {
            // What ends cannot be looked at either.
            Err(TransientError::Traced) if !listener.is_alive(n.id) => Err(TransientError::Gone),
            outcome => outcome,
        }
    }

    fn prepare(listener: &Arc<Notified>, n: &Notification) -> Result<Led, TransientError> {
        let stub = arch::stub().filter(|_| n.call.abi == Abi::Native).ok_or(TransientError::Traced)?;
        let pidfd = PidFd::open_thread(n.tid)?;
        let path = format!("/proc/{}/mem", n.tid);
        let memory = OpenOptions::new().read(true).write(true).open(path).map_err(refused)?;
        if !listener.is_alive(n.id) {
            return Err(TransientError::Gone);
        }
        if !is_alone_at_call(n)? {
            return Err(TransientError::Traced);
        }
        let free = free_room(n.tid, &memory)?;
        let start = free.start;
        let room = start + (StubWords::BYTES + stub.code.len()) as u64..free.end;
        if room.start > room.end {
            return Err(TransientError::Traced);
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let (to, news) = mpsc::channel();
        let led = Led {
            listener: Arc::clone(listener),
            pidfd,
            tid: n.tid,
            call: n.call,
            memory,
            stub,
            start,
            room,
            serial,
            pending: n.id,
            place: Place::OwnCall,
            news,
            held: None,
        };
        led.put_stub()?;
        if !shares_with_waiting_parents_only(n.tid, start, serial) {
            return Err(TransientError::Traced);
        }
        let entry = Entry { serial, stub: start..led.room.start, news: to, leaves: false };
        let mut table = table();
        // A handler that interrupts the stub is not led: the task would come back to a stub that nobody attends to.
        if table.get(&n.tid).is_some_and(|entry| !entry.leaves) {
            return Err(TransientError::Traced);
        }
        table.insert(n.tid, entry);
        drop(table);
        Ok(led)
    }

    pub(super) fn tid(&self) -> Tid {
        self.tid
    }

    /// Memory behind the stub.
    pub(super) fn room(&self, length: u64) -> Option<u64> {
        (length <= self.room.end - self.room.start).then_some(self.room.start)
    }

    pub(super) fn has(&self, at: UserPtr) -> bool {
        self.room.contains(&at.0)
    }

    /// Writes whatever the protection.
    pub(super) fn write(&self, to: UserPtr, bytes: &[u8]) -> Result<(), MemoryError> {
        self.memory.write_all_at(bytes, to.0).map_err(|_| MemoryError::Fault)
    }

    /// `startstack` of proc(5), which is where the arguments of a program begin.
    pub(super) fn stack_of_new_program(&self) -> io::Result<u64> {
        const AFTER_NAME: usize = 28 - 3;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.tid))?;
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let field = fields.split(' ').nth(AFTER_NAME).and_then(|field| field.parse().ok());
        field.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Has it make a call, which may be an execve.
    pub(super) fn run(&mut self, number: u64, args: [u64; 6]) -> Result<Ran, TransientError> {
        loop {
            self.put_words(StubWords::CALL, &[&[number][..], &args].concat())?;
            self.enter()?;
            let mut is_performed = false;
            let result = loop {
                let Some(News { notification, taken }) = self.next(is_performed)? else {
                    return Ok(Ran::Executed);
                };
                let in_stub = notification.call.ip.wrapping_sub(self.code());
                if in_stub == self.stub.performed as u64 {
                    self.arrived();
                    is_performed = true;
                    self.answer(notification.id, None)?;
                } else if in_stub == self.stub.reported as u64 {
                    self.arrived();
                    self.pending = notification.id;
                    break notification.call.args[0] as i64;
                } else if is_performed && !self.is_in_stub()? {
                    self.held = taken;
                    self.executed();
                    return Ok(Ran::Executed);
                } else {
                    self.leave_alone(&notification, taken);
                }
            };
            // A signal may come before a call is received, which has then not been made.
            if result != -i64::from(libc::EINTR) || is_performed {
                return Ok(Ran::Returned(result));
            }
        }
    }

    /// Lets it go on as though its own call had returned `result`.
    pub(super) fn go_on(mut self, result: i64) -> Result<(), TransientError> {
        self.go_back(Some(result))
    }

    /// Lets it make its own call once more.
    pub(super) fn go_on_unchanged(mut self) -> Result<(), TransientError> {
        self.go_back(None)
    }

    /// It is no longer led.
    pub(super) fn end(mut self) {
        self.place = Place::Away;
    }

    fn go_back(&mut self, result: Option<i64>) -> Result<(), TransientError> {
        if self.place == Place::Stub {
            if let Some(entry) = table().get_mut(&self.tid).filter(|entry| entry.serial == self.serial) {
                entry.leaves = true;
            }
            let back = self.code() + self.stub.back as u64;
            self.answer(self.pending, Some(back as i64))?;
            self.wait_for_own_call(result.is_some())?;
        }
        if self.place == Place::OwnCall {
            self.clear();
        }
        self.place = Place::Away;
        match result {
            Some(result) => self.answer(self.pending, Some(result)),
            None => Ok(()),
        }
    }

    /// Waits until it makes its own call again. The stub is not needed then.
    fn wait_for_own_call(&mut self, takes_it: bool) -> Result<(), TransientError> {
        loop {
            let Some(News { notification, taken }) = self.next(false)? else { continue };
            if notification.call != self.call {
                self.leave_alone(&notification, taken);
                continue;
            }
            self.clear();
            self.pending = notification.id;
            if let Some(taken) = taken {
                let _ = taken.send(takes_it);
            }
            return Ok(());
        }
    }

    /// Sends it to the stub's beginning.
    fn enter(&mut self) -> Result<(), TransientError> {
        if self.place == Place::OwnCall {
            let jump = arch::JUMP_TO_RESULT.ok_or(TransientError::Traced)?;
            let mut own = [0; INSTRUCTION_BYTES as usize];
            self.memory.read_exact_at(&mut own, self.call.ip).map_err(refused)?;
            self.memory.write_all_at(&jump, self.call.ip).map_err(refused)?;
            self.place = Place::Jumping(own);
        }
        let entered = self.answer(self.pending, Some(self.code() as i64));
        if entered.is_err() {
            self.take_jump_away();
        }
        entered
    }

    /// It is in the stub.
    fn arrived(&mut self) {
        self.take_jump_away();
        self.place = Place::Stub;
    }

    fn take_jump_away(&mut self) {
        if let Place::Jumping(own) = self.place {
            // If the memory is gone, so is the jump.
            let _ = self.memory.write_all_at(&own, self.call.ip);
            self.place = Place::Away;
        }
    }

    /// A call of its own: a handler of signals runs. If that makes the very call that it interrupted on the way to the stub, it
    /// must not meet the jump, and the task is given up.
    fn leave_alone(&mut self, notification: &Notification, taken: Option<SyncSender<bool>>) {
        if notification.call.ip == self.call.ip {
            self.take_jump_away();
        }
        if let Some(taken) = taken {
            let _ = taken.send(false);
        }
    }

    /// Its next call; `None` once it runs another program, if it may.
    fn next(&mut self, may_execute: bool) -> Result<Option<News>, TransientError> {
        /// What is looked for, since nobody tells: that it has ended, or runs another program.
        const LOOKS_MS: Range<u64> = 1..128;
        let mut wait_ms = LOOKS_MS.start;
        loop {
            match self.news.recv_timeout(Duration::from_millis(wait_ms)) {
                Ok(news) => return Ok(Some(news)),
                // It went its own way, and is led anew.
                Err(RecvTimeoutError::Disconnected) => return Err(TransientError::Gone),
                Err(RecvTimeoutError::Timeout) if self.pidfd.has_ended() => return self.gone(),
                Err(RecvTimeoutError::Timeout) if self.place == Place::Away => return self.gone(),
                Err(RecvTimeoutError::Timeout) if may_execute && !self.is_in_stub()? => {
                    self.executed();
                    return Ok(None);
                }
                Err(RecvTimeoutError::Timeout) => wait_ms = (2 * wait_ms).min(LOOKS_MS.end),
            }
        }
    }

    fn gone<T>(&mut self) -> Result<T, TransientError> {
        self.take_jump_away();
        self.clear();
        self.place = Place::Away;
        Err(TransientError::Gone)
    }

    /// It runs another program. The stub is of no use to a parent either.
    fn executed(&mut self) {
        self.clear();
        self.place = Place::Away;
    }

    /// Whether it still has the memory that the stub was put into.
    fn is_in_stub(&self) -> Result<bool, TransientError> {
        match memory::read_u64(self.tid, UserPtr(self.start)) {
            Ok(serial) => Ok(serial == self.serial),
            // A program that its user may run and not read is another one, too.
            Err(MemoryError::Fault | MemoryError::Denied | MemoryError::TooLong) => Ok(false),
            Err(MemoryError::Gone) => Err(TransientError::Gone),
        }
    }

    fn code(&self) -> u64 {
        self.start + StubWords::BYTES as u64
    }

    fn put_stub(&self) -> Result<(), TransientError> {
        let back = self.call.ip - INSTRUCTION_BYTES;
        self.memory.write_all_at(&self.stub.code, self.code()).map_err(refused)?;
        self.put_words(StubWords::SERIAL, &[self.serial])?;
        self.put_words(StubWords::OWN_CALL, &[raw_number(&self.call)])?;
        self.put_words(StubWords::OWN_CALL + 1, &self.call.args)?;
        self.put_words(StubWords::BACK, &[back])
    }

    fn put_words(&self, index: usize, words: &[u64]) -> Result<(), TransientError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.memory.write_all_at(&bytes, self.start + (index * 8) as u64).map_err(refused)
    }

    /// Leaves all as it was found, for the next.
    fn clear(&self) {
        let bytes = vec![0; (self.room.end - self.start) as usize];
        // Memory that is gone needs none.
        let _ = self.memory.write_all_at(&bytes, self.start);
    }

    /// Answers a call, or has the kernel perform it.
    fn answer(&self, id: u64, result: Option<i64>) -> Result<(), TransientError> {
        let answered = match result {
            None => self.listener.resume(id),
            Some(result @ -4095..0) => self.listener.answer(id, Answer::Errno(-result as i32)),
            Some(result) => self.listener.answer(id, Answer::Value(result)),
        };
        match answered {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Err(TransientError::Gone),
            answered => Ok(answered?),
        }
    }
}

impl Drop for Led {
    /// After an error: back to where it was.
    fn drop(&mut self) {
        match self.place {
            Place::Stub => drop(self.go_back(None)),
            Place::OwnCall => self.clear(),
            Place::Jumping(_) | Place::Away => self.take_jump_away(),
        }
        let mut table = table();
        if table.get(&self.tid).is_some_and(|entry| entry.serial == self.serial) {
            table.remove(&self.tid);
        }
    }
}

/// Memory that cannot be written is a task that cannot be led.
fn refused(error: io::Error) -> TransientError {
    match (error.kind(), error.raw_os_error()) {
        // The memory of a task that has ended has no bytes.
        (io::ErrorKind::WriteZero | io::ErrorKind::UnexpectedEof, _) => TransientError::Gone,
        (_, Some(libc::ENOENT | libc::ESRCH)) => TransientError::Gone,
        _ => TransientError::Traced,
    }
}

/// Whether nobody else can come to the instruction behind the pending call unheard, as far as the task's own process goes.
fn is_alone_at_call(n: &Notification) -> Result<bool, TransientError> {
    if Kin::of(n.tid)?.tgid != n.tid || !has_one_thread(n.tid) {
        return Ok(false);
    }
    const CONSTANT_BYTES: u64 = 5;
    let mut before = [0; (CONSTANT_BYTES + INSTRUCTION_BYTES) as usize];
    let at = UserPtr(n.call.ip.wrapping_sub(CONSTANT_BYTES + INSTRUCTION_BYTES));
    if memory::read(n.tid, at, &mut before).is_err() {
        return Ok(false);
    }
    let [a, b, c, d, e, instruction @ ..] = before;
    if arch::abi_of_instruction(instruction) != Some(Abi::Native) {
        return Ok(false);
    }
    Ok(arch::loads_number([a, b, c, d, e], n.call.number) || !may_handle_signals(n.tid))
}

fn has_one_thread(pid: Tid) -> bool {
    std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.take(2).count() == 1)
}

/// Whether a handler could run: there is one for a signal that is not blocked.
fn may_handle_signals(tid: Tid) -> bool {
    let status = std::fs::read(format!("/proc/{tid}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    match (mask("SigCgt:"), mask("SigBlk:")) {
        (Some(caught), Some(blocked)) => caught & !blocked != 0,
        _ => true,
    }
}

/// What is free behind the image of the vdso: the rest of its last page, which is all zeros.
fn free_room(tid: Tid, memory: &File) -> Result<Range<u64>, TransientError> {
    let maps = std::fs::read_to_string(format!("/proc/{tid}/maps")).map_err(|_| TransientError::Traced)?;
    let vdso = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(address_range);
    let vdso = vdso.ok_or(TransientError::Traced)?;
    /// Two pages today. No more than this is read.
    const VDSO_BYTES_MAX: u64 = 64 << 10;
    let mut image = vec![0; (vdso.end - vdso.start).min(VDSO_BYTES_MAX) as usize];
    memory.read_exact_at(&mut image, vdso.start).map_err(refused)?;
    let end_of_image = image_bytes(&image).ok_or(TransientError::Traced)?;
    // What another stub has, or had when its task went its own way out of a handler, is not zero.
    let used = image.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    const ALIGNMENT: u64 = 16;
    let start = (vdso.start + used.max(end_of_image) as u64).next_multiple_of(ALIGNMENT);
    Ok(start..vdso.start + image.len() as u64)
}

fn address_range(line: &str) -> Option<Range<u64>> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

/// How long an ELF image is that ends in its section headers, as the vdso does (elf(5), `Elf64_Ehdr`).
fn image_bytes(image: &[u8]) -> Option<usize> {
    let number = |at: usize, bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(image.get(at..at + bytes)?);
        usize::try_from(u64::from_le_bytes(word)).ok()
    };
    let (sections, each, count) = (number(40, 8)?, number(58, 2)?, number(60, 2)?);
    let end = sections.checked_add(each * count)?;
    (image.starts_with(b"\x7fELF") && sections > 0 && end <= image.len()).then_some(end)
}

/// Whether all other processes that have the stub in their memory, now that it is there, are parents that wait in vfork.
///
/// Those that share memory in another way than with their parent (clone(2) allows it) would not be found.
fn shares_with_waiting_parents_only(tid: Tid, start: u64, serial: u64) -> bool {
    const GENERATIONS_MAX: usize = 16;
    let mut child = tid;
    for _ in 0..GENERATIONS_MAX {
        let Ok(parent) = Kin::of(child).map(|kin| kin.parent) else { return false };
        if parent.0 == 0 || memory::read_u64(parent, UserPtr(start)) != Ok(serial) {
            return true;
        }
        if !has_one_thread(parent) || !waits_in_vfork(parent) {
            return false;
        }
        child = parent;
    }
    false
}

/// Whether a task is in a call that returns when its child of vfork is away. It may just be on its way to waiting.
fn waits_in_vfork(tid: Tid) -> bool {
    const LOOKS: usize = 50;
    for _ in 0..LOOKS {
        let Ok(text) = std::fs::read_to_string(format!("/proc/{tid}/syscall")) else { return false };
        if text.starts_with("running") {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let mut fields = text.split_ascii_whitespace();
        let Some(number) = fields.next().and_then(|field| field.parse::<i64>().ok()) else { return false };
        let first = fields.next().and_then(|field| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok());
        let flags = match (number, first) {
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_vfork, _) => return true,
            (libc::SYS_clone, Some(flags)) => Some(flags),
            // struct clone_args begins with the flags.
            (libc::SYS_clone3, Some(at)) => memory::read_u64(tid, UserPtr(at)).ok(),
            _ => None,
        };
        return flags.is_some_and(|flags| flags & libc::CLONE_VFORK as u64 != 0);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_found_behind_the_vdso_of_this_process() {
        let memory = OpenOptions::new().read(true).open("/proc/self/mem").unwrap();
        let room = free_room(Tid(std::process::id() as i32), &memory).unwrap();
        assert!(room.start.is_multiple_of(16) && room.end.is_multiple_of(4096), "{room:x?}");
    }

    #[test]
    fn an_image_ends_behind_its_section_headers() {
        let mut image = vec![0; 4096];
        image[..4].copy_from_slice(b"\x7fELF");
        image[40..48].copy_from_slice(&1000_u64.to_le_bytes());
        image[58..60].copy_from_slice(&64_u16.to_le_bytes());
        image[60..62].copy_from_slice(&10_u16.to_le_bytes());
        assert_eq!(image_bytes(&image), Some(1640));
        image[60..62].copy_from_slice(&100_u16.to_le_bytes());
        assert_eq!(image_bytes(&image), None);
        assert_eq!(image_bytes(b"\x7fELF"), None);
    }
}
