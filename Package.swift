// swift-tools-version: 6.1
import Foundation
import PackageDescription

/// Continuous integration sets `RESTORMER_STRICT=1`: every warning in the project's own code is an
/// error.
let strict: [SwiftSetting] =
  ProcessInfo.processInfo.environment["RESTORMER_STRICT"] == "1"
  ? [.unsafeFlags(["-warnings-as-errors"])] : []

/// `make fuzz` sets `RESTORMER_FUZZ=1`: the fuzzer's program is built then, and nothing of it
/// otherwise.
let fuzzing: [Target] =
  ProcessInfo.processInfo.environment["RESTORMER_FUZZ"] == nil
  ? []
  : [
    .executableTarget(
      name: "Fuzz", dependencies: ["TestSupport", "Restormer", "Kernels", "CLBackend"],
      path: "Fuzz", swiftSettings: strict)
  ]

/// What `--version` names beside the version.
let commit: [CSetting] =
  (Context.gitInformation?.currentCommit).map {
    [.define("RESTORMER_COMMIT", to: "\"\($0.prefix(12))\"")]
  } ?? []

/// What reads and writes protocol buffers.
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

// Every target names all modules whose types it sees, also those that it knows through another:
// SwiftPM compiles a module anew only when one that it names changes, and the layout of a struct
// from further down is part of its own.

let package = Package(
  name: "restormer",
  products: [
    .executable(name: "restormer", targets: ["CLI"]),
    .library(name: "CLBackend", targets: ["CLBackend"]),
    .library(name: "Kernels", targets: ["Kernels"]),
    .library(name: "Restormer", targets: ["Restormer", "Kernels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    .systemLibrary(name: "COpenCL", path: "Sources/CLBackend/COpenCL"),
    .target(
      name: "CLBackend", dependencies: ["COpenCL"], path: "Sources/CLBackend",
      exclude: ["COpenCL"], swiftSettings: strict),
    .target(name: "Basics", swiftSettings: strict),
    .target(name: "CKernelSource", path: "Sources/Kernels/CKernelSource"),
    .target(name: "CMicroKernels", path: "Sources/Kernels/CMicroKernels"),
    .target(
      name: "Kernels", dependencies: ["Basics", "CLBackend", "CKernelSource", "CMicroKernels"],
      path: "Sources/Kernels", exclude: ["CKernelSource", "CMicroKernels"], swiftSettings: strict),
    .target(
      name: "CImage", path: "Sources/Restormer/IO/CImage",
      linkerSettings: [
        .linkedLibrary("png"), .linkedLibrary("jpeg"), .linkedLibrary("tiff"),
        .linkedLibrary("webp"),
        .linkedLibrary("webpdemux"), .linkedLibrary("z"),
      ]),
    .target(
      name: "CZip", path: "Sources/Restormer/IO/CZip", linkerSettings: [.linkedLibrary("z")]),
    .target(
      name: "CMessagePassing", path: "Sources/Restormer/Distributed/CMessagePassing"),
    .target(name: "CBundledModels", path: "Sources/Restormer/CBundledModels"),
    .target(
      name: "CReportPage", path: "Sources/Restormer/Report/CReportPage",
      exclude: [
        "page.html", "view.html", "page.css", "list.js", "viewer.js", "controls.js", "page.js",
      ]),
    .target(
      name: "ProtocolBuffers", dependencies: [protobuf], path: "Sources/Restormer/ProtocolBuffers",
      exclude: ["onnx.proto", "tensorboard.proto"], swiftSettings: strict),
    .target(
      name: "Restormer",
      dependencies: [
        "Basics", "Kernels", "CLBackend", "CImage", "CZip", "CBundledModels", "CMessagePassing",
        "CReportPage", "ProtocolBuffers", protobuf,
        .product(name: "Yams", package: "Yams"),
      ],
      path: "Sources/Restormer",
      exclude: [
        "IO/CImage", "IO/CZip", "CBundledModels", "Report/CReportPage",
        "Distributed/CMessagePassing",
        "Distributed/MPIPlugin", "ProtocolBuffers",
      ], swiftSettings: strict),
    .target(
      name: "CServePage", path: "Sources/Serve/CServePage",
      exclude: ["serve.html", "serve.css", "jobs.js", "serve.js", "openapi.json"]),
    .target(
      name: "Serve", dependencies: ["Basics", "Restormer", "Kernels", "CLBackend", "CServePage"],
      path: "Sources/Serve",
      exclude: ["CServePage"], swiftSettings: strict),
    .target(name: "CVersion", path: "Sources/CLI/CVersion", cSettings: commit),
    .target(name: "CTerminal", path: "Sources/CLI/CTerminal"),
    .executableTarget(
      name: "CLI",
      dependencies: [
        "Basics", "Restormer", "Kernels", "CLBackend", "Serve", "CVersion", "CTerminal",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/CLI", exclude: ["CVersion", "CTerminal"], swiftSettings: strict),
    .target(
      name: "TestSupport", dependencies: ["Basics", "Restormer", "Kernels", "CLBackend"],
      path: "Tests/Support", swiftSettings: strict
    ),
    .testTarget(name: "CLBackendTests", dependencies: ["CLBackend"], swiftSettings: strict),
    .testTarget(
      name: "KernelsTests", dependencies: ["TestSupport", "Restormer", "Kernels", "CLBackend"],
      swiftSettings: strict),
    .testTarget(
      name: "RestormerTests",
      dependencies: [
        "TestSupport", "Restormer", "Kernels", "CLBackend", "ProtocolBuffers", protobuf,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ServeTests",
      dependencies: ["Serve", "TestSupport", "Restormer", "Kernels", "CLBackend"],
      swiftSettings: strict),
    .testTarget(
      name: "CLITests", dependencies: ["TestSupport", "Restormer", "Kernels", "CLBackend"],
      swiftSettings: strict),
  ] + fuzzing,
  cLanguageStandard: .c2x
)
