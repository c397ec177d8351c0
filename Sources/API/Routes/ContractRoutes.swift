import HTTPTypes
import Hummingbird
import NIOCore

/// `/openapi.yaml` and `/docs`: what the service can do, for programs and for people.
struct ContractRoutes: Sendable {
    let contract: APIContract
    private let page: ContractPage

    init(contract: APIContract) {
        self.contract = contract
        page = ContractPage(contract)
    }

    func add(to router: Router<ShipliftRequestContext>) {
        router.get("openapi.yaml") { [contract] request, _ in
            Self.answer(request, contract.yaml, contract.eTag, [.contentType: "application/yaml"])
        }
        router.get("docs") { [page] request, _ in
            var headers: HTTPFields = [.contentType: "text/html; charset=utf-8", .contentSecurityPolicy: page.policy]
            headers[.xContentTypeOptions] = "nosniff"
            if let name = HTTPField.Name("Referrer-Policy") { headers[name] = "no-referrer" }
            return Self.answer(request, page.html, page.eTag, headers)
        }
    }

    private static func answer(_ request: Request, _ text: String, _ eTag: String, _ headers: HTTPFields) -> Response {
        var headers = headers
        headers[.eTag] = eTag
        headers[.cacheControl] = "no-cache"
        if let known = request.headers[.ifNoneMatch], EntityTag.list(known, names: eTag, weakly: true) { return Response(status: .notModified, headers: headers) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
