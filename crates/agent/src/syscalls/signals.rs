//! Returns from signal handlers.

use super::table;
use crate::outcome::{Call, Outcome};
use mynah_intercept::Abi;
use mynah_intercept::signal_frame::InterruptedCall;

/// rt_sigreturn(2). A signal that comes before the agent has received a call ends it with EINTR, if its handler wants no restarts.
/// Natively such a call would have been done: close(2) never leaves a descriptor open, and stat(2) knows no EINTR. So it is
/// begun again, unless the kernel may have interrupted it by itself.
pub(super) fn sigreturn(call: Call<'_>) -> Outcome {
    if call.notification.call.abi == Abi::Native
        && let Some(interrupted) = InterruptedCall::under(call.notification)
        && was_not_received(call, &interrupted)
        && let Err(error) = interrupted.begin_again()
    {
        tracing::debug!(tid = call.tid().0, "an interrupted call could not be begun again: {error}");
    }
    Outcome::Resume
}

/// What was received can no more be interrupted, but by the kernel that performs it, or by us.
fn was_not_received(call: Call<'_>, interrupted: &InterruptedCall) -> bool {
    let number = interrupted.call.number;
    table::is_always_trapped(number)
        && !(table::may_wait_natively(number) && call.agent.tasks.last_heard(call.tid(), &interrupted.call))
}
