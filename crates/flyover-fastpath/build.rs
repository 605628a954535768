//! Compiles the BPF programs and generates their skeleton.

use std::env;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

const CLANG: &str = "clang-16";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("flyover.skel.rs");
    let libbpf = env::var("DEP_BPF_INCLUDE").expect("libbpf-sys tells where its headers are");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    assert!(
        ["x86_64", "aarch64"].contains(&arch.as_str()),
        "keep_order() of bpf/books.h was thought through for two machines only, and {arch} is another one"
    );
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    SkeletonBuilder::new()
        .source("bpf/flyover.bpf.c")
        .clang(CLANG)
        .clang_args([
            "-Wall",
            "-Werror",
            "-mcpu=v3",
            // What the kernel is told of the lines of the source names no folder of the machine that built it.
            &format!("-ffile-prefix-map={here}=flyover-fastpath"),
            // The kernel's ABI headers keep `asm/` below a machine's name; for BPF all of them say the same there.
            &format!("-I/usr/include/{}-linux-gnu", env::consts::ARCH),
            &format!("-I{libbpf}"),
        ])
        .build_and_generate(&out)
        .expect("the BPF programs compile");
    println!("cargo:rerun-if-changed=bpf");
}
