//! Compiles the BPF programs and generates their skeleton.

use std::env;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

const CLANG: &str = "clang-16";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("flyover.skel.rs");
    let libbpf = env::var("DEP_BPF_INCLUDE").expect("libbpf-sys tells where its headers are");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    assert_eq!(
        arch, "x86_64",
        "bpf/books.h counts on a machine that keeps the order of its loads and of its stores"
    );
    SkeletonBuilder::new()
        .source("bpf/flyover.bpf.c")
        .clang(CLANG)
        .clang_args([
            "-Wall",
            "-Werror",
            "-mcpu=v3",
            // The kernel's ABI headers keep `asm/` below the machine's name.
            &format!("-I/usr/include/{arch}-linux-gnu"),
            &format!("-I{libbpf}"),
        ])
        .build_and_generate(&out)
        .expect("the BPF programs compile");
    println!("cargo:rerun-if-changed=bpf");
}
