// swift-tools-version: 6.1
import PackageDescription

let restormer = Target.Dependency.product(name: "Restormer", package: "restormer")

let package = Package(
  name: "restormer-library-example",
  dependencies: [
    // Elsewhere: .package(url: "https://.../restormer", from: "0.2.0")
    .package(name: "restormer", path: "../..")
  ],
  targets: [
    .executableTarget(name: "restore-example", dependencies: [restormer], path: "Restore"),
    .executableTarget(name: "train-example", dependencies: [restormer], path: "Train"),
  ]
)
