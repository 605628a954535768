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

/// Has all threads take from one heap: the holes that one leaves are room for the others.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "the C library is asked directly"))]
pub(super) fn share() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers; what is allocated already stays where it is.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // A fixed one: else the first large buffer that is freed has all later ones taken from the heap.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10);
    }
}
