//! Calls that a signal took away before the listener had received them.
//!
//! The kernel lets a notified caller be interrupted until its notification is received (WAIT_KILLABLE_RECV holds from then on).
//! A handler without SA_RESTART then makes the call end with EINTR, which no program expects of close(2) or stat(2). When
//! the handler returns, by rt_sigreturn(2), the interrupted call can still be read from the frame that the kernel laid on
//! the stack, and be begun again by a change of that frame: the program goes on at the instruction that makes the call.

use crate::arch::{FRAME_BYTES, SignalFrame};
use crate::{Call, Notification, Tid, UserPtr, memory};
use std::io;

/// How much code before an instruction is looked at: the longest way to load a number, and the instruction.
const CODE_BYTES: u64 = 9;

/// A call that ended with EINTR before a handler ran, which is about to return.
#[derive(Clone, Copy, Debug)]
pub struct InterruptedCall {
    /// The call as it was made.
    pub call: Call,
    tid: Tid,
    frame: UserPtr,
}

impl InterruptedCall {
    /// What the handler interrupted whose rt_sigreturn(2) `notification` tells; `None` if that was no call, or one that ended
    /// otherwise, or if its number cannot be told from the code. To be asked while the caller waits.
    #[must_use]
    pub fn under(notification: &Notification) -> Option<InterruptedCall> {
        let tid = notification.tid;
        let frame = UserPtr(stack_pointer(tid)?);
        let mut bytes = [0; FRAME_BYTES];
        memory::read(tid, frame, &mut bytes).ok()?;
        let saved = SignalFrame::new(bytes);
        if saved.result() != -i64::from(libc::EINTR) {
            return None;
        }
        let ip = saved.instruction_pointer();
        let mut code = [0; CODE_BYTES as usize];
        memory::read(tid, UserPtr(ip.checked_sub(CODE_BYTES)?), &mut code).ok()?;
        let number = SignalFrame::number_of_call(code)?;
        let call = Call { abi: notification.call.abi, number, args: saved.arguments(), ip };
        Some(InterruptedCall { call, tid, frame })
    }

    /// Makes the handler return to the call, and not behind it.
    ///
    /// # Errors
    /// The frame cannot be written: the program has taken its stack away.
    pub fn begin_again(&self) -> io::Result<()> {
        for (offset, value) in SignalFrame::calling(&self.call) {
            memory::write(self.tid, UserPtr(self.frame.0 + offset), &value.to_ne_bytes())
                .map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))?;
        }
        Ok(())
    }
}

/// Of a thread that waits in a call (proc(5), `/proc/PID/syscall`).
fn stack_pointer(tid: Tid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/syscall", tid.0)).ok()?;
    let field = text.split_whitespace().nth(7)?;
    u64::from_str_radix(field.strip_prefix("0x")?, 16).ok()
}
