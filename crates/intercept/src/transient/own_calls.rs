//! The calls that tracees are just being made to perform, so that their notifications are recognised.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::filter::X32_BIT;
use crate::{Notification, Tid};

/// What identifies a call of a given thread. Its arguments include addresses of memory that was mapped for the purpose, or
/// are harmless: the program itself is stopped, and cannot make the same call in between.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Expected {
    number: u32,
    args: [u64; 6],
}

/// At most one call a thread, for as long as a [`Registration`] lives.
static EXPECTED: LazyLock<Mutex<HashMap<Tid, Expected>>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, HashMap<Tid, Expected>> {
    // No code that can panic runs under the lock, so the table is whole even then.
    EXPECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that is expected until this is dropped.
pub(super) struct Registration(Tid);

pub(super) fn register(tid: Tid, number: u64, args: [u64; 6]) -> Registration {
    table().insert(tid, Expected { number: number as u32 & !X32_BIT, args });
    Registration(tid)
}

impl Drop for Registration {
    fn drop(&mut self) {
        table().remove(&self.0);
    }
}

pub(super) fn contains(notification: &Notification) -> bool {
    let call = &notification.call;
    table().get(&notification.tid) == Some(&Expected { number: call.number, args: call.args })
}
