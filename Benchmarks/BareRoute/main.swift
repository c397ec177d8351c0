// What Hummingbird itself can do on this machine: the yardstick beside each figure of `make bench-api`.
//   bare-route PORT
import Hummingbird

guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]), (1...65535).contains(port) else {
    print("usage: bare-route PORT")
    throw UsageError()
}
let router = Router()
router.get("bare") { _, _ in
    Response(status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: ByteBuffer(string: #"{"status":"ok"}"#)))
}
router.post("bare") { request, _ in
    let body = try await request.body.collect(upTo: 65_536)
    return Response(status: .created, headers: [.contentType: "application/json"], body: .init(byteBuffer: body))
}
try await Application(router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port))).runService()

struct UsageError: Error {}
