// Restores a page with the model that is part of the library: restore-example page.jpg restored.png
import Kernels
import Restormer

/// Work that runs on whichever device was opened: the compiler makes one of it for each kind of backend.
struct Restoring: BackendVisitor {
  let weights: ModelWeights
  let page: Image

  func visit<B: Backend>(_ backend: B) throws -> Image {
    // Keep it for many images: the network is planned once for each size.
    let restorer = try Restorer(weights, on: backend)
    return try restorer.restore(page)
  }
}

let paths = CommandLine.arguments.dropFirst()
guard let from = paths.first, let to = paths.dropFirst().first else {
  fatalError("usage: restore-example FROM TO.png")
}
// Weights of a file: try ModelWeights(contentsOf: "deblurring.pth")
let model = try BundledModel.standard()
let device = try OpenedBackend.open("auto") { print($0) }
print("\(model.name) on \(device.name)")
let restored = try device.accept(
  Restoring(weights: model.weights, page: try Image(contentsOf: from)))
try restored.write(to: to, format: .png)
