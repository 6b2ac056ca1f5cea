/// A queue with cheap removal at the front.
struct Fifo<Element> {
    private var storage: [Element?] = []
    private var head = 0

    var count: Int { storage.count - head }
    var isEmpty: Bool { count == 0 }
    var first: Element? { isEmpty ? nil : storage[head] }

    func first(where fits: (Element) -> Bool) -> Element? {
        for case let element? in storage[head...] where fits(element) { return element }
        return nil
    }

    mutating func append(_ element: Element) { storage.append(element) }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = storage[head]
        storage[head] = nil
        head += 1
        if head == storage.count {
            storage.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head * 2 >= storage.count {
            storage.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Changes the front element in place; does nothing to an empty queue.
    mutating func updateFirst(_ change: (inout Element) -> Void) {
        guard !isEmpty, var element = storage[head].take() else { return }
        change(&element)
        storage[head] = element
    }

    /// Changes elements from the front, until `change` returns false.
    mutating func updateWhile(_ change: (inout Element) -> Bool) {
        for index in head..<storage.count {
            guard var element = storage[index].take() else { return }
            let goesOn = change(&element)
            storage[index] = element
            if !goesOn { return }
        }
    }

    /// Removes the first element that fits.
    mutating func removeFirst(where fits: (Element) -> Bool) -> Element? {
        guard let index = storage[head...].firstIndex(where: { $0.map(fits) ?? false }) else { return nil }
        return storage.remove(at: index)
    }
}
