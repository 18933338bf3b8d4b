// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {TaskEnvelope, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {Vm} from "../../utils/Vm.sol";
import {RequesterActions} from "./RequesterActions.sol";

/// @title Nodes deliver: honestly, too late, twice, with another's receipt, with forged or overstated ones.
abstract contract NodeActions is RequesterActions {
    uint256 private constant PROMPT_OVERHEAD = 128;
    uint256 private constant MALFORMED = 9;

    /// @dev Accounts that models name as receipt signers, and the keys behind them; no key where nothing is ever valid.
    address[] internal signers;
    string[] internal signerKeys;

    function nodeDelivers(uint256 requestSeed, uint256 nodeSeed, uint256 usageSeed) external onTime {
        (bool any, uint256 index) = _someRequest(requestSeed, true);
        if (any) _delivers(index, nodeSeed, usageSeed);
    }

    /// @dev The usual course of things in one step: asked, and answered by as many nodes as may.
    function requesterAsksAndNodesAnswer(uint256 whoSeed, uint256 modelSeed, uint256 shapeSeed) external onTime {
        uint256 before = asked.length;
        _asks(pick(requesters, whoSeed), _modelAt(modelSeed), 1, 0, mix(shapeSeed, 1) % 3 + 1, shapeSeed);
        if (asked.length == before) return;
        for (uint256 i; i < nodes.length; ++i) {
            _delivers(before, shapeSeed % nodes.length + i, mix(shapeSeed, 20 + i));
        }
    }

    function nodeDeliversWhatItMustNot(uint256 requestSeed, uint256 nodeSeed, uint256 kindSeed) external onTime {
        (bool any, uint256 index) = _someRequest(requestSeed, false);
        if (!any) return;
        if (clock < asked[index].activeAt) _moveTo(asked[index].activeAt);
        address node_ = pick(nodes, nodeSeed);
        uint32 interval = uint32(_intervalAt(asked[index]));
        UsageReceipt memory receipt = _honestReceipt(index, interval, node_, kindSeed);
        uint256 kind = mix(kindSeed, 9) % 11;
        // What does not decode is refused before the request is looked at.
        bytes memory refusal = _whyNotCoordinator(index, node_, interval);
        if (refusal.length == 0 && kind != MALFORMED) refusal = _whyOver(index);
        _tamper(index, receipt, kind, mix(kindSeed, 12), node_, refusal);
    }

    /// @dev The same receipt once more, through the Coordinator and past it.
    function nodeDeliversAgain(uint256 answerSeed) external onTime {
        if (answers.length == 0) return;
        Answered memory past = answers[answerSeed % answers.length];
        Asked storage a = asked[past.index];
        UsageReceipt memory receipt = _receipt(past.index, past.interval, past.node);
        (receipt.promptTokens, receipt.completionTokens) = (past.promptTokens, past.completionTokens);
        (bytes memory signature, bool valid) = _signature(a.model, receipt, answerSeed);
        if (!a.direct) {
            bytes memory refusal = _whyNotCoordinator(past.index, past.node, past.interval);
            assertTrue(refusal.length != 0, "the Coordinator takes one answer of a node");
            _deliver(past.index, receipt, signature, refusal);
        }
        bytes memory meterRefusal = _whyNotMeter(past.index, receipt, valid);
        // A node that was listed anew stands at another place; the Coordinator is what tells its answers apart then.
        if (meterRefusal.length == 0) return;
        call(
            a.request.consumer,
            address(meter),
            abi.encodeCall(
                IUsageMeter.record,
                (a.request.subscriptionId, receipt.interval, receipt.node, output(receipt), signature)
            ),
            meterRefusal
        );
    }

    function _delivers(uint256 index, uint256 nodeSeed, uint256 usageSeed) internal {
        Asked storage a = asked[index];
        if (clock < a.activeAt) _moveTo(a.activeAt);
        uint32 interval = uint32(_intervalAt(a));
        address node_ = _likelyNode(index, interval, nodeSeed);
        UsageReceipt memory receipt = _honestReceipt(index, interval, node_, usageSeed);
        (bytes memory signature, bool valid) = _signature(a.model, receipt, usageSeed);
        bytes memory refusal;
        if (!a.direct) refusal = _whyNotCoordinator(index, node_, interval);
        if (refusal.length == 0) refusal = _whyNotMeter(index, receipt, valid);
        vm.recordLogs();
        // A verifier would see nothing but the proof: then the receipt stands in it as well.
        _deliver(index, receipt, rarely(usageSeed, 5) ? abi.encode(receipt, signature) : signature, refusal);
        if (refusal.length != 0) return;
        Terms memory t = a.request.terms;
        uint256 fee = _fee(t, receipt.promptTokens, receipt.completionTokens);
        _isBooked(receipt, _bookFee(a.model, t, fee, a.request.requester, a.perAnswer - fee));
        _answered(index, receipt);
    }

    /// @dev What the meter said of the delivery is what it had to cost.
    function _isBooked(UsageReceipt memory receipt, Fees memory parts) internal {
        Fees memory said = _said(receipt, vm.getRecordedLogs());
        assertEq(keccak256(abi.encode(said)), keccak256(abi.encode(parts)), "fee, parts and refund as worked out");
        _add(told, said);
    }

    function _answered(uint256 index, UsageReceipt memory receipt) private {
        Asked storage a = asked[index];
        answers.push(Answered(index, receipt.interval, receipt.node, receipt.promptTokens, receipt.completionTokens));
        a.left -= 1;
        a.answered += 1;
        a.latest = receipt.interval;
        answersIn[index][receipt.interval] += 1;
        timesPaid[index][receipt.interval][receipt.node] += 1;
        placesUsed[index][receipt.interval] |= 1 << _placeOf(a, receipt.node);
    }

    function _deliver(uint256 index, UsageReceipt memory receipt, bytes memory proof, bytes memory refusal) internal {
        Asked storage a = asked[index];
        if (a.direct) {
            call(
                a.request.consumer,
                address(meter),
                abi.encodeCall(
                    IUsageMeter.record,
                    (a.request.subscriptionId, receipt.interval, receipt.node, output(receipt), proof)
                ),
                refusal
            );
            return;
        }
        _deliverAs(receipt.node, index, receipt.interval, output(receipt), proof, refusal);
    }

    function _deliverAs(
        address node_,
        uint256 index,
        uint32 interval,
        bytes memory output_,
        bytes memory proof,
        bytes memory refusal
    ) private {
        call(
            node_,
            address(coordinator),
            abi.encodeCall(
                Coordinator.deliverCompute,
                (asked[index].request.subscriptionId, interval, "", output_, proof, address(0))
            ),
            refusal
        );
    }

    /// @dev Every way in which a receipt can speak of something else, signed by the right signer all the same.
    function _tamper(
        uint256 index,
        UsageReceipt memory receipt,
        uint256 kind,
        uint256 seed,
        address node_,
        bytes memory refusal
    ) private {
        Asked storage a = asked[index];
        Terms memory t = a.request.terms;
        uint32 interval = receipt.interval;
        bytes memory reason;
        bytes memory output_;
        if (kind == 0) {
            receipt.requestId = bytes32(seed);
            reason = abi.encodeWithSelector(IUsageMeter.ReceiptRequestMismatch.selector, a.id, receipt.requestId);
        } else if (kind == 1) {
            receipt.modelId = ModelId.wrap(bytes32(seed));
            reason =
                abi.encodeWithSelector(IUsageMeter.ReceiptModelMismatch.selector, a.request.modelId, receipt.modelId);
        } else if (kind == 2) {
            receipt.requester = stranger;
            reason =
                abi.encodeWithSelector(IUsageMeter.ReceiptRequesterMismatch.selector, a.request.requester, stranger);
        } else if (kind == 3) {
            receipt.node = stranger;
            reason = abi.encodeWithSelector(IUsageMeter.ReceiptNodeMismatch.selector, node_, stranger);
        } else if (kind == 4) {
            receipt.interval = interval + 1;
            reason = abi.encodeWithSelector(IUsageMeter.ReceiptIntervalMismatch.selector, interval, interval + 1);
        } else if (kind == 5) {
            bytes32 expected = receipt.inputHash;
            receipt.inputHash = bytes32(seed);
            reason = abi.encodeWithSelector(IUsageMeter.ReceiptInputMismatch.selector, expected, bytes32(seed));
        } else if (kind == 6) {
            bytes32 expected = receipt.outputHash;
            receipt.outputHash = bytes32(seed);
            reason = abi.encodeWithSelector(IUsageMeter.ReceiptOutputMismatch.selector, expected, bytes32(seed));
        } else if (kind == 7) {
            uint256 bytesBound = PROMPT.length + PROMPT_OVERHEAD;
            bool byCap = t.maxPromptTokens <= bytesBound;
            uint256 most = byCap ? t.maxPromptTokens : bytesBound;
            receipt.promptTokens = uint32(most + 1);
            reason = abi.encodeWithSelector(
                byCap ? IUsageMeter.UsageAboveCap.selector : IUsageMeter.UsageAboveBytes.selector, most + 1, most
            );
        } else if (kind == 8) {
            bool byCap = t.maxCompletionTokens <= ANSWER.length;
            uint256 most = byCap ? t.maxCompletionTokens : ANSWER.length;
            receipt.completionTokens = uint32(most + 1);
            reason = abi.encodeWithSelector(
                byCap ? IUsageMeter.UsageAboveCap.selector : IUsageMeter.UsageAboveBytes.selector, most + 1, most
            );
        } else if (kind == MALFORMED) {
            output_ = abi.encode(ANSWER);
            reason = abi.encodeWithSelector(IUsageMeter.OutputMalformed.selector, output_.length);
        }
        (bytes memory signature,) = _signature(a.model, receipt, seed);
        if (kind == 10) {
            receipt.completionTokens = receipt.completionTokens == 0 ? 1 : receipt.completionTokens - 1;
            reason = _whyNotMeter(index, receipt, false);
        }
        if (kind != MALFORMED) output_ = output(receipt);
        _deliverAs(node_, index, interval, output_, signature, refusal.length == 0 ? reason : refusal);
    }

    function _honestReceipt(uint256 index, uint32 interval, address node_, uint256 usageSeed)
        internal
        view
        returns (UsageReceipt memory receipt)
    {
        receipt = _receipt(index, interval, node_);
        _use(receipt, asked[index].request.terms, usageSeed);
    }

    /// @dev Any usage within the caps and within what the bytes allow.
    function _use(UsageReceipt memory receipt, Terms memory t, uint256 usageSeed) internal pure {
        uint256 mostPrompt = PROMPT.length + PROMPT_OVERHEAD;
        if (t.maxPromptTokens < mostPrompt) mostPrompt = t.maxPromptTokens;
        uint256 mostCompletion = ANSWER.length;
        if (t.maxCompletionTokens < mostCompletion) mostCompletion = t.maxCompletionTokens;
        receipt.promptTokens = uint32(bound(mix(usageSeed, 10), 0, mostPrompt));
        receipt.completionTokens = uint32(bound(mix(usageSeed, 11), 0, mostCompletion));
    }

    function _receipt(uint256 index, uint32 interval, address node_) internal view returns (UsageReceipt memory) {
        Asked storage a = asked[index];
        TaskEnvelope memory envelope = TaskEnvelope({
            chainId: block.chainid,
            consumer: a.request.consumer,
            subscriptionId: a.request.subscriptionId,
            interval: interval,
            requestId: a.id,
            requester: a.request.requester,
            node: node_,
            modelId: a.request.modelId,
            maxPromptTokens: a.request.terms.maxPromptTokens,
            maxCompletionTokens: a.request.terms.maxCompletionTokens,
            payload: PROMPT
        });
        return UsageReceipt({
            requestId: a.id,
            modelId: a.request.modelId,
            requester: a.request.requester,
            node: node_,
            interval: interval,
            inputHash: envelopeHash(envelope),
            outputHash: keccak256(ANSWER),
            promptTokens: 0,
            completionTokens: 0
        });
    }

    /// @dev Signed by the present signer or, at times, by the one before: half of them while its grace lasts, few afterwards.
    function _signature(uint256 modelIndex, UsageReceipt memory receipt, uint256 seed)
        internal
        view
        returns (bytes memory signature, bool valid)
    {
        Model storage m = model[modelIndex];
        uint256 by = m.signer;
        bool grace = m.previousUntil >= clock;
        bool keyless = bytes(signerKeys[by]).length == 0;
        if (grace ? keyless || rarely(seed, 2) : rarely(seed, 4)) by = m.previousSigner;
        keyless = bytes(signerKeys[by]).length == 0;
        valid = !keyless && (grace || by == m.signer);
        signature = signDigest(meter.receiptDigest(receipt), keyless ? "nobody" : signerKeys[by]);
    }

    /// @dev What the Coordinator says before anything of FLock is asked.
    function _whyNotCoordinator(uint256 index, address node_, uint32 interval) internal view returns (bytes memory) {
        Asked storage a = asked[index];
        if (a.stopped || clock < a.activeAt) {
            return abi.encodeWithSelector(Coordinator.SubscriptionNotActive.selector);
        }
        if (_intervalAt(a) != interval) return abi.encodeWithSelector(Coordinator.IntervalMismatch.selector);
        if (interval > a.request.intervals) return abi.encodeWithSelector(Coordinator.SubscriptionCompleted.selector);
        if (answersIn[index][interval] == a.request.redundancy) {
            return abi.encodeWithSelector(Coordinator.IntervalCompleted.selector);
        }
        if (timesPaid[index][interval][node_] != 0) {
            return abi.encodeWithSelector(Coordinator.NodeRespondedAlready.selector);
        }
        return "";
    }

    function _whyOver(uint256 index) internal view returns (bytes memory) {
        Asked storage a = asked[index];
        if (a.left == 0) return abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, a.id);
        if (clock > a.request.deadline) {
            return abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, a.id, uint256(a.request.deadline));
        }
        return "";
    }

    /// @dev What the meter says of a receipt that speaks of the right request and stays within the caps.
    function _whyNotMeter(uint256 index, UsageReceipt memory receipt, bool signed)
        internal
        view
        returns (bytes memory refusal)
    {
        Asked storage a = asked[index];
        refusal = _whyOver(index);
        if (refusal.length == 0) refusal = _whyNotSigned(a.model, receipt, signed);
        if (refusal.length != 0) return refusal;
        if (receipt.interval < a.latest) {
            return abi.encodeWithSelector(IUsageMeter.IntervalPassed.selector, a.id, receipt.interval, uint32(a.latest));
        }
        if (placesUsed[index][receipt.interval] & (1 << _placeOf(a, receipt.node)) != 0) {
            return
                abi.encodeWithSelector(
                    IUsageMeter.ReceiptAlreadyRecorded.selector, a.id, receipt.interval, receipt.node
                );
        }
    }

    function _whyNotSigned(uint256 modelIndex, UsageReceipt memory receipt, bool signed)
        internal
        view
        returns (bytes memory)
    {
        Model storage m = model[modelIndex];
        if (!listed[modelIndex][receipt.node]) {
            return abi.encodeWithSelector(IUsageMeter.NodeNotListed.selector, m.id, receipt.node);
        }
        if (signed) return "";
        return abi.encodeWithSelector(
            IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signers[m.signer]
        );
    }

    /// @dev The registry alone knows a node's place: places stay with nodes and are given anew when the list is full.
    function _placeOf(Asked storage a, address node_) private view returns (uint256 place) {
        (, place) = models.receiptFacts(a.request.modelId, node_);
    }

    /// @dev Two times in three a node whose answer can count.
    function _likelyNode(uint256 index, uint32 interval, uint256 seed) private view returns (address) {
        address some = pick(nodes, seed);
        if (rarely(seed, 3)) return some;
        for (uint256 i; i < nodes.length; ++i) {
            address other = nodes[(seed % nodes.length + i) % nodes.length];
            if (listed[asked[index].model][other] && timesPaid[index][interval][other] == 0) return other;
        }
        return some;
    }

    /// @dev The one event of the meter in which it says what an answer cost and where the parts went.
    function _said(UsageReceipt memory receipt, Vm.Log[] memory logs) private view returns (Fees memory said) {
        uint256 found;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(meter) || logs[i].topics[0] != IUsageMeter.UsageRecorded.selector) continue;
            found += 1;
            assertEq(logs[i].topics[1], receipt.requestId, "request of the event");
            uint32 interval;
            uint32 prompt;
            uint32 completion;
            (interval, prompt, completion, said.fee, said.host, said.training, said.validators, said.refund) =
                abi.decode(logs[i].data, (uint32, uint32, uint32, uint256, uint256, uint256, uint256, uint256));
            assertEq(interval, receipt.interval, "interval of the event");
            assertEq(prompt, receipt.promptTokens, "prompt tokens of the event");
            assertEq(completion, receipt.completionTokens, "completion tokens of the event");
        }
        assertEq(found, 1, "one event for one answer");
    }
}
