// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {ModelHostConsumer} from "../../../src/ModelHostConsumer.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Order, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {OrderTest} from "../../mocks/OrderTest.sol";

/// @title Every way in which an answer to an order is refused, and nothing is taken.
contract OrderRefusalsTest is OrderTest {
    function test_order_revertsWhenNobodySigned() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory refusal =
            abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, meter.orderDigest(o), requester);

        refused(o, receipt, abi.encode(receipt, sign(receipt), abi.encode(o), bytes("")), refusal);
        refused(o, receipt, abi.encode(receipt, sign(receipt), abi.encode(o), new bytes(65)), refusal);
    }

    function test_order_revertsWhenAnotherSigned() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);

        refused(
            o,
            receipt,
            orderProof(o, "host", receipt, sign(receipt)),
            abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, meter.orderDigest(o), requester)
        );
    }

    function test_order_revertsForTheZeroAddress() public {
        Order memory o = order("salt");
        o.requester = address(0);
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);

        refused(
            o,
            receipt,
            abi.encode(receipt, sign(receipt), abi.encode(o), new bytes(65)),
            abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, meter.orderDigest(o), address(0))
        );
    }

    /// Whatever is changed after signing, the signature is another's; a changed consumer is refused even before.
    function testFuzz_order_revertsWhenItIsAlteredAfterSigning(uint8 field, bytes32 value) public {
        Order memory o = order("salt");
        bytes memory signature = signDigest(meter.orderDigest(o), "requester");
        bytes memory encoded = abi.encode(o);
        uint8[14] memory bits = [160, 255, 160, 96, 80, 80, 32, 32, 24, 24, 255, 32, 40, 255];
        uint256 word = field % 14;
        uint256 altered = bits[word] == 255 ? uint256(value) : uint256(value) & ((1 << bits[word]) - 1);
        uint256 before;
        assembly ("memory-safe") {
            let at := add(add(encoded, 32), mul(word, 32))
            before := mload(at)
            mstore(at, altered)
        }
        vm.assume(altered != before);
        o = abi.decode(encoded, (Order));
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory refusal = word == 0
            ? abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, o.consumer, address(consumer))
            : abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, meter.orderDigest(o), o.requester);

        refused(o, receipt, abi.encode(receipt, sign(receipt), encoded, signature), refusal);
        assertEq(distributor.balanceOf(requester), DEPOSIT, "the requester pays nothing");
    }

    function test_order_revertsForASecondNodeOfTheSameSubscription() public {
        Subscription memory twice = subscription();
        twice.redundancy = 2;
        SignedSubscription memory sub = signed(twice, 1);
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        deliverSigned(sub, receipt, proofFor(o, receipt));
        receipt = receiptFor(o, 1, secondNode, 17, 23);
        bytes memory proof = proofFor(o, receipt);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.OrderUsed.selector, receipt.requestId));
        deliverSigned(sub, receipt, proof);
        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "paid once");
    }

    function test_order_revertsForAnotherSubscription() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = answer(o, 1);
        bytes memory refusal = abi.encodeWithSelector(IUsageMeter.OrderUsed.selector, receipt.requestId);

        refused(o, receipt, proofFor(o, receipt), refusal);
        receipt = receiptFor(o, 1, secondNode, 17, 23);
        refused(o, receipt, proofFor(o, receipt), refusal);
    }

    function test_order_revertsForALaterInterval() public {
        Subscription memory recurring = subscription();
        (recurring.frequency, recurring.period) = (2, 10 minutes);
        SignedSubscription memory sub = signed(recurring, 1);
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        deliverSigned(sub, receipt, proofFor(o, receipt));
        vm.warp(1_700_000_000 + 10 minutes);
        receipt = receiptFor(o, 2, node, 17, 23);
        bytes memory proof = proofFor(o, receipt);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.OrderUsed.selector, receipt.requestId));
        deliverSigned(sub, receipt, proof);
    }

    function test_order_revertsForAnotherConsumer() public {
        ModelHostConsumer other = newConsumer(host);
        Order memory o = order("salt");
        o.consumer = address(other);

        refused(o, abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(other), address(consumer)));
    }

    function test_order_revertsWhenTheModelHasAnotherConsumerByNow() public {
        ModelHostConsumer other = newConsumer(host);
        Order memory o = order("salt");
        vm.prank(host);
        models.updateConsumer(modelId, address(other));

        refused(o, abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(other), address(consumer)));
    }

    function test_order_revertsWhenTermsChanged() public {
        Order memory o = order("salt");
        Terms memory changed = terms();
        changed.requestPrice += 1;
        vm.prank(host);
        models.updateTerms(modelId, changed);

        refused(o, abi.encodeWithSelector(IUsageMeter.TermsChanged.selector, modelId));

        vm.prank(host);
        models.updateTerms(modelId, terms());
        answer(o, 1);
        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "once they are those that were signed");
    }

    /// Terms that the requester would like better than the model's.
    function test_order_revertsForTermsOfItsOwn() public {
        Order memory o = order("salt");
        o.terms.requestPrice = 0;

        refused(o, abi.encodeWithSelector(IUsageMeter.TermsChanged.selector, modelId));
    }

    function test_order_revertsForModelsThatTakeNoRequests() public {
        Order memory o = order("salt");
        vm.prank(host);
        models.pause(modelId);
        refused(o, abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, modelId));
        vm.startPrank(host);
        models.resume(modelId);
        models.retire(modelId);
        vm.stopPrank();
        refused(o, abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, modelId));
    }

    function test_order_revertsForUnknownModels() public {
        Order memory o = order("salt");
        o.modelId = ModelId.wrap("unknown");

        refused(o, abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, o.modelId));
    }

    function test_order_revertsWhileRequestsArePaused() public {
        vm.prank(owner);
        meter.setRequestsPaused(true);

        refused(order("salt"), abi.encodeWithSelector(IUsageMeter.RequestsArePaused.selector));
    }

    function test_order_revertsAfterItsDeadline() public {
        Order memory o = order("late");
        Order memory inTime = order("in time");
        vm.warp(o.deadline);
        answer(inTime, 1);
        vm.warp(uint256(o.deadline) + 1);

        refused(
            o, abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, meter.orderDigest(o), uint256(o.deadline))
        );
    }

    function test_order_revertsWhenTheBalanceIsTooLow() public {
        vm.startPrank(requester);
        distributor.withdrawBalance(requester, address(0));
        distributor.deposit(requester, FEE - 1);
        vm.stopPrank();

        refused(
            order("salt"),
            abi.encodeWithSelector(IRewardDistributor.BalanceInsufficient.selector, requester, FEE - 1, FEE)
        );
    }

    function test_order_revertsWhenTheProofHasNone() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory refusal = _notOpen();

        refused(o, receipt, sign(receipt), refusal);
        refused(o, receipt, abi.encode(receipt, sign(receipt)), refusal);
        refused(o, receipt, "", refusal);
    }

    function testFuzz_order_revertsWhenAWordHoldsMoreThanItsType(uint8 extraBit) public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory signature = signDigest(meter.orderDigest(o), "requester");
        uint8[14] memory bits = [160, 0, 160, 96, 80, 80, 32, 32, 24, 24, 0, 32, 40, 0];
        for (uint256 word; word < 14; ++word) {
            if (bits[word] == 0) continue;
            bytes memory dirty = abi.encode(o);
            uint256 bit = bound(extraBit, bits[word], 255);
            assembly ("memory-safe") {
                let at := add(add(dirty, 32), mul(word, 32))
                mstore(at, or(mload(at), shl(bit, 1)))
            }
            refused(o, receipt, abi.encode(receipt, sign(receipt), dirty, signature), _notOpen());
        }
    }

    function test_order_revertsWhenItsBytesAreTooFewOrTooMany() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory signature = signDigest(meter.orderDigest(o), "requester");

        refused(o, receipt, abi.encode(receipt, sign(receipt), new bytes(447), signature), _notOpen());
        refused(
            o,
            receipt,
            abi.encode(receipt, sign(receipt), bytes.concat(abi.encode(o), hex"00"), signature),
            _notOpen()
        );
    }

    function test_order_revertsWhenTheReceiptIsForAnotherOrder() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(order("other"), 1, node, 17, 23);

        refused(
            o,
            receipt,
            proofFor(o, receipt),
            abi.encodeWithSelector(
                IUsageMeter.ReceiptRequestMismatch.selector, meter.orderDigest(o), receipt.requestId
            )
        );
    }

    /// An envelope of an order names no subscription: there was none when the order was given to the node.
    function test_order_revertsWhenTheReceiptIsForAnotherInput() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes32 expected = receipt.inputHash;
        receipt.inputHash = bytes32(uint256(1));

        refused(
            o,
            receipt,
            proofFor(o, receipt),
            abi.encodeWithSelector(IUsageMeter.ReceiptInputMismatch.selector, expected, receipt.inputHash)
        );
    }

    function test_order_revertsWhenTheReceiptIsForged() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);

        refused(
            o,
            receipt,
            orderProof(o, "requester", receipt, sign(receipt, "requester")),
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer)
        );
    }

    function test_order_revertsForUnlistedNodes() public {
        Order memory o = order("salt");
        address stranger = actor("stranger");
        UsageReceipt memory receipt = receiptFor(o, 1, stranger, 17, 23);

        refused(
            o,
            receipt,
            proofFor(o, receipt),
            abi.encodeWithSelector(IUsageMeter.NodeNotListed.selector, modelId, stranger)
        );
    }

    /// Whoever is no consumer of the order cannot bring it, not even with everything else right.
    function test_record_revertsWhenAnyoneBringsAnOrder() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory proof = proofFor(o, receipt);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(consumer), host));
        vm.prank(host);
        meter.record(1, 1, node, output(receipt), proof);
    }

    /// @dev The request that the next subscription would have had.
    function _notOpen() private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IUsageMeter.RequestNotOpen.selector, meter.requestIdOf(address(consumer), coordinator.id())
        );
    }
}
