//! Links the program without a C library, so that it runs in an image that holds nothing at all.

fn main() {
    // `-no-pie`: nobody is there to relocate a position-independent program before its first line.
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
