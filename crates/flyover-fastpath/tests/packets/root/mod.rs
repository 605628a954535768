//! Everything here loads programs into the kernel, so it needs root.

mod slow_pod;
