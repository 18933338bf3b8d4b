// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator, Subscription} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Order, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {NodeActions} from "./NodeActions.sol";

/// @title Requesters sign orders, nodes answer them through subscriptions that the delegate signer signed, or try to be paid
///        for them again.
abstract contract OrderActions is NodeActions {
    uint256 private constant MOST_ORDERS = 48;
    uint16 private constant REDUNDANCY = 2;

    /// @dev The delegated subscription that was used last, by its consumer.
    struct Delegated {
        SignedSubscription signed;
        uint256 answers;
        mapping(address node => bool) answered;
    }

    uint32 private nonces;
    mapping(address consumer => Delegated[]) private delegatedOf;

    /// @dev Answers may come much later, or never.
    function requesterOrders(uint256 whoSeed, uint256 modelSeed, uint256 shapeSeed) external onTime {
        _orders(whoSeed % requesters.length, _modelAt(modelSeed), shapeSeed);
    }

    function nodeAnswersOrder(uint256 orderSeed, uint256 nodeSeed, uint256 shapeSeed) external onTime {
        if (orders.length == 0) return;
        uint256 index = orderSeed % orders.length;
        for (uint256 i; i < orders.length && orders[index].used; ++i) {
            index = (index + 1) % orders.length;
        }
        _answers(index, nodeSeed, shapeSeed);
    }

    /// @dev The usual course of things in one step.
    function requesterOrdersAndNodeAnswers(uint256 whoSeed, uint256 modelSeed, uint256 shapeSeed) external onTime {
        if (!_orders(whoSeed % requesters.length, _modelAt(modelSeed), shapeSeed)) return;
        _answers(orders.length - 1, mix(shapeSeed, 30), mix(shapeSeed, 31));
    }

    /// @dev By the node that was paid or by another, in the same subscription or in a new one.
    function nodeAnswersOrderAgain(uint256 orderSeed, uint256 nodeSeed, uint256 shapeSeed) external onTime {
        for (uint256 i; i < orders.length; ++i) {
            uint256 index = (orderSeed % orders.length + i) % orders.length;
            if (!orders[index].used) continue;
            _answers(index, nodeSeed, shapeSeed);
            return;
        }
    }

    function _orders(uint256 by, uint256 modelIndex, uint256 shapeSeed) private returns (bool) {
        if (orders.length == MOST_ORDERS) return false;
        Model storage m = model[modelIndex];
        Order memory o = Order({
            consumer: m.consumer,
            modelId: m.id,
            requester: requesters[by],
            terms: m.terms,
            payloadHash: keccak256(PROMPT),
            payloadBytes: uint32(PROMPT.length),
            deadline: uint40(clock + bound(mix(shapeSeed, 1), 0, 2 days)),
            salt: bytes32(orders.length)
        });
        Ordered storage ordered = orders.push();
        (ordered.order, ordered.id, ordered.model) = (o, meter.orderDigest(o), modelIndex);
        // Now and then another than the one who shall pay signs.
        ordered.by = rarely(shapeSeed, 10) ? (by + 1) % requesters.length : by;
        return true;
    }

    function _answers(uint256 index, uint256 nodeSeed, uint256 shapeSeed) private {
        Ordered storage ordered = orders[index];
        Order memory o = ordered.order;
        address node_ = pick(nodes, nodeSeed);
        for (uint256 i; i < nodes.length && !rarely(nodeSeed, 6) && !listed[ordered.model][node_]; ++i) {
            node_ = nodes[(nodeSeed % nodes.length + i) % nodes.length];
        }
        address door = o.consumer;
        if (rarely(mix(shapeSeed, 2), 16)) door = door == consumers[0] ? consumers[1] : consumers[0];
        Delegated storage delegated = _delegated(door, mix(shapeSeed, 3));
        UsageReceipt memory receipt = receiptFor(o, 1, node_, 0, 0);
        _use(receipt, o.terms, mix(shapeSeed, 4));
        (bytes memory signature, bool valid) = _signature(ordered.model, receipt, mix(shapeSeed, 5));
        uint256 fee = _fee(o.terms, receipt.promptTokens, receipt.completionTokens);
        bytes memory refusal = _whyNotSubscription(delegated, node_);
        if (refusal.length == 0) refusal = _whyNotOrder(ordered, o, door);
        if (refusal.length == 0) refusal = _whyNotSigned(ordered.model, receipt, valid);
        uint256 held = balance[o.requester];
        if (refusal.length == 0 && fee > held) {
            refusal = abi.encodeWithSelector(IRewardDistributor.BalanceInsufficient.selector, o.requester, held, fee);
        }
        bytes memory proof = orderProof(o, requesterKeys[ordered.by], receipt, signature);
        vm.recordLogs();
        _send(delegated.signed, receipt, proof, refusal);
        if (refusal.length != 0) return;
        balance[o.requester] = held - fee;
        orderFees += fee;
        _isBooked(receipt, _bookFee(ordered.model, o.terms, fee, o.requester, 0));
        ordered.used = true;
        delegated.answers += 1;
        delegated.answered[node_] = true;
    }

    function _send(SignedSubscription memory s, UsageReceipt memory receipt, bytes memory proof, bytes memory refusal)
        private
    {
        bytes memory data = abi.encodeCall(
            EIP712Coordinator.deliverComputeDelegatee,
            (s.nonce, s.expiry, s.sub, s.v, s.r, s.s, 1, "", output(receipt), proof, address(0))
        );
        call(receipt.node, address(coordinator), data, refusal);
    }

    /// @dev A new subscription or, at times, the last one of this consumer.
    function _delegated(address door, uint256 seed) private returns (Delegated storage delegated) {
        Delegated[] storage list = delegatedOf[door];
        if (list.length != 0 && rarely(seed, 3)) return list[list.length - 1];
        Subscription memory sub = subscription();
        (sub.owner, sub.redundancy, sub.lazy) = (door, REDUNDANCY, rarely(mix(seed, 1), 4));
        delegated = list.push();
        delegated.signed = signed(sub, ++nonces);
    }

    function _whyNotSubscription(Delegated storage delegated, address node_) private view returns (bytes memory) {
        if (delegated.answers == REDUNDANCY) return abi.encodeWithSelector(Coordinator.IntervalCompleted.selector);
        if (delegated.answered[node_]) return abi.encodeWithSelector(Coordinator.NodeRespondedAlready.selector);
        return "";
    }

    function _whyNotOrder(Ordered storage ordered, Order memory o, address door) private view returns (bytes memory) {
        Model storage m = model[ordered.model];
        if (door != o.consumer) return abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, o.consumer, door);
        if (ordered.used) return abi.encodeWithSelector(IUsageMeter.OrderUsed.selector, ordered.id);
        if (requesters[ordered.by] != o.requester) {
            return abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, ordered.id, o.requester);
        }
        if (meter.requestsPaused()) return abi.encodeWithSelector(IUsageMeter.RequestsArePaused.selector);
        if (m.status != IModelRegistry.Status.Active) {
            return abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, m.id);
        }
        if (m.consumer != door) return abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, m.consumer, door);
        Terms memory t = m.terms;
        if (keccak256(abi.encode(t)) != keccak256(abi.encode(o.terms))) {
            return abi.encodeWithSelector(IUsageMeter.TermsChanged.selector, m.id);
        }
        if (clock > o.deadline) {
            return abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, ordered.id, uint256(o.deadline));
        }
        return "";
    }
}
