//! The process's heap.

/// Gives back what was used and freed: to look at a thousand ports takes megabytes, and is soon done.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "the C library is asked directly"))]
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and threads may go on allocating.
    unsafe {
        libc::malloc_trim(0);
    }
}
