//! The process's heap.

/// Gives back what was used and freed: to load the programs takes megabytes of the kernel's types.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and threads may go on allocating.
    unsafe {
        libc::malloc_trim(0);
    }
}
