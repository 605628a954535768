//! The measuring engine: ping-pong, streams, histograms and comparisons; prints nothing.
