// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BaseConsumer} from "infernet-sdk/consumer/Base.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Request, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title What a delivery must show to be paid, and every way in which it is refused.
contract DeliveryTest is FlockTest {
    uint256 internal constant FEE =
        1e15 + (17 * uint256(333_333_333_333_333_333) + 23 * uint256(777_777_777_777_777_777) + 999_999) / 1_000_000;

    function test_deliver_booksTheFeeAndRefundsTheRest() public {
        uint32 id = ask();
        (uint256 most,) = meter.quote(modelId, 1, 1);

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "host gets all without contributors");
        assertEq(distributor.balanceOf(requester), most - FEE, "rest of escrow");
        assertEq(token.balanceOf(address(distributor)), most, "tokens stay until claimed");
        assertEq(distributor.reserves(), most, "all of it is owed");
    }

    function test_deliver_emitsUsageAndAnswer() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        (uint256 most,) = meter.quote(modelId, 1, 1);

        vm.expectEmit(address(meter));
        emit IUsageMeter.UsageRecorded(receipt.requestId, modelId, node, 1, 17, 23, FEE, FEE, 0, 0, most - FEE);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerReceived(receipt.requestId, 1, node, ANSWER);
        deliver(id, receipt, signature);
    }

    function testFuzz_deliver_feeIsRoundedUp(uint32 prompt, uint32 completion) public {
        prompt = uint32(bound(prompt, 0, 100));
        completion = uint32(bound(completion, 0, ANSWER.length));
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, prompt, completion);

        deliver(id, receipt, sign(receipt));

        uint256 metered = prompt * uint256(333_333_333_333_333_333) + completion * uint256(777_777_777_777_777_777);
        uint256 exact = metered / 1_000_000 + (metered % 1_000_000 == 0 ? 0 : 1) + 1e15;
        assertEq(distributor.claimableHost(modelId), exact, "fee");
    }

    function test_deliver_revertsWhenReceiptIsForged() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory forged = sign(receipt, "somebody else");
        _expect(
            abi.encodeWithSelector(
                IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer
            )
        );
        deliver(id, receipt, forged);
    }

    function test_deliver_revertsWhenUsageIsAlteredAfterSigning() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        receipt.completionTokens = 24;
        _expect(
            abi.encodeWithSelector(
                IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer
            )
        );
        deliver(id, receipt, signature);
    }

    function test_deliver_revertsForReceiptOfAnotherRequest() public {
        uint32 first = ask();
        uint32 second = ask();
        UsageReceipt memory receipt = receiptFor(first, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        bytes32 expected = receiptFor(second, 1, node, 17, 23).requestId;
        _expect(abi.encodeWithSelector(IUsageMeter.ReceiptRequestMismatch.selector, expected, receipt.requestId));
        deliver(second, receipt, signature);
    }

    function test_deliver_revertsForEachFieldThatSpeaksOfSomethingElse() public {
        uint32 id = ask();
        UsageReceipt memory honest = receiptFor(id, 1, node, 17, 23);

        UsageReceipt memory receipt = _copy(honest);
        receipt.modelId = ModelId.wrap(bytes32(uint256(1)));
        _refused(
            id, receipt, abi.encodeWithSelector(IUsageMeter.ReceiptModelMismatch.selector, modelId, receipt.modelId)
        );
        receipt = _copy(honest);
        receipt.requester = host;
        _refused(
            id, receipt, abi.encodeWithSelector(IUsageMeter.ReceiptRequesterMismatch.selector, requester, host)
        );
        receipt = _copy(honest);
        receipt.inputHash = bytes32(uint256(2));
        _refused(
            id,
            receipt,
            abi.encodeWithSelector(IUsageMeter.ReceiptInputMismatch.selector, honest.inputHash, receipt.inputHash)
        );
        receipt = _copy(honest);
        receipt.outputHash = bytes32(uint256(3));
        _refused(
            id,
            receipt,
            abi.encodeWithSelector(IUsageMeter.ReceiptOutputMismatch.selector, honest.outputHash, receipt.outputHash)
        );
    }

    function test_deliver_revertsWhenReceiptWasMadeForAnotherNode() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        _expect(abi.encodeWithSelector(IUsageMeter.ReceiptNodeMismatch.selector, secondNode, node));
        vm.prank(secondNode);
        coordinator.deliverCompute(id, 1, "", output(receipt), signature, address(0));
    }

    function test_deliver_revertsWhenReceiptWasMadeForAnotherInterval() public {
        uint32 id = ask();
        for (uint32 other = 0; other < 3; other += 2) {
            UsageReceipt memory receipt = receiptFor(id, other, node, 17, 23);
            bytes memory signature = sign(receipt);
            _expect(abi.encodeWithSelector(IUsageMeter.ReceiptIntervalMismatch.selector, uint32(1), other));
            vm.prank(node);
            coordinator.deliverCompute(id, 1, "", output(receipt), signature, address(0));
        }
    }

    function test_deliver_revertsForUnlistedNode() public {
        address stranger = actor("stranger");
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, stranger, 17, 23);
        bytes memory signature = sign(receipt);
        _expect(abi.encodeWithSelector(IUsageMeter.NodeNotListed.selector, modelId, stranger));
        deliver(id, receipt, signature);
    }

    function test_record_revertsOnReplayOfAnAcceptedReceipt() public {
        IModelHostConsumer.RequestParams memory twice = params();
        twice.redundancy = 2;
        uint32 id = ask(twice);
        UsageReceipt memory receipt = answer(id);
        bytes memory signature = sign(receipt);

        _expect(abi.encodeWithSelector(IUsageMeter.ReceiptAlreadyRecorded.selector, receipt.requestId, 1, node));
        vm.prank(address(consumer));
        meter.record(id, 1, node, output(receipt), signature);
    }

    function test_record_revertsWhenTheLastAnswerIsReplayed() public {
        uint32 id = ask();
        UsageReceipt memory receipt = answer(id);
        bytes memory signature = sign(receipt);

        _expect(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        vm.prank(address(consumer));
        meter.record(id, 1, node, output(receipt), signature);
    }

    function test_deliver_revertsWhenUsageIsAboveTheCaps() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 101, 23);
        _refused(id, receipt, abi.encodeWithSelector(IUsageMeter.UsageAboveCap.selector, 101, 100));
        receipt = receiptFor(id, 1, node, 17, 201);
        _refused(id, receipt, abi.encodeWithSelector(IUsageMeter.UsageAboveCap.selector, 201, 200));
    }

    function test_deliver_revertsWhenUsageIsMoreThanTheBytesAllow() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, uint32(ANSWER.length) + 1);
        _refused(
            id,
            receipt,
            abi.encodeWithSelector(IUsageMeter.UsageAboveBytes.selector, ANSWER.length + 1, ANSWER.length)
        );
    }

    function test_record_boundsPromptTokensByBytesAndOverhead() public {
        vm.prank(host);
        models.updateTerms(modelId, _wideTerms());
        IModelHostConsumer.RequestParams memory short = params();
        short.payload = "hi";
        uint32 id = ask(short);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 131, 5);
        _refused(id, receipt, abi.encodeWithSelector(IUsageMeter.UsageAboveBytes.selector, 131, 130));
        receipt = receiptFor(id, 1, node, 130, 5);
        deliver(id, receipt, sign(receipt));
    }

    function test_deliver_revertsUnlessTheCoordinatorCalls() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        _expect(abi.encodeWithSelector(BaseConsumer.NotCoordinator.selector));
        vm.prank(node);
        consumer.rawReceiveCompute(id, 1, 1, node, "", output(receipt), signature, 0, 0);
    }

    /// The same subscription id names another request when another account calls.
    function test_record_revertsUnlessTheConsumerCalls() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        _expect(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, meter.requestIdOf(host, id)));
        vm.prank(host);
        meter.record(id, 1, node, output(receipt), signature);
    }

    function test_deliver_revertsWhenEnvelopeWasOfAnotherChain() public {
        uint32 id = ask();
        vm.chainId(1);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        vm.chainId(31337);
        _refused(
            id,
            receipt,
            abi.encodeWithSelector(
                IUsageMeter.ReceiptInputMismatch.selector,
                receiptFor(id, 1, node, 17, 23).inputHash,
                receipt.inputHash
            )
        );
    }

    function test_deliver_namesMalformedOutput() public {
        uint32 id = ask();
        bytes[6] memory malformed = [
            bytes(""),
            abi.encode(bytes32(0)),
            abi.encode(ANSWER, bytes("not a receipt")),
            abi.encode("a text alone"),
            abi.encodePacked(type(uint256).max, type(uint256).max, uint256(0), uint256(0)),
            abi.encode(ANSWER, abi.encode(type(uint256).max, 0, type(uint256).max, 0, 0, 0, 0, 0, 0))
        ];
        for (uint256 i; i < malformed.length; ++i) {
            _expect(abi.encodeWithSelector(IUsageMeter.OutputMalformed.selector, malformed[i].length));
            vm.prank(node);
            coordinator.deliverCompute(id, 1, "", malformed[i], "", address(0));
        }
    }

    function test_deliver_revertsAfterTheDeadline() public {
        uint32 inTime = ask();
        uint32 late = ask();
        (Request memory request,) = consumer.requestOf(late);
        vm.warp(request.deadline);
        answer(inTime);
        vm.warp(uint256(request.deadline) + 1);
        UsageReceipt memory receipt = receiptFor(late, 1, node, 17, 23);
        _refused(
            late,
            receipt,
            abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, receipt.requestId, request.deadline)
        );
    }

    function test_deliver_isPaidForRequestsMadeBeforeRetirement() public {
        uint32 id = ask();
        vm.prank(host);
        models.retire(modelId);

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "answer under way is paid");
    }

    function test_deliver_isPaidForRequestsMadeBeforeTheOwnerPaused() public {
        uint32 id = ask();
        vm.prank(owner);
        meter.setRequestsPaused(true);

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "answer under way is paid");
    }

    function test_deliver_isPaidThroughTheConsumerThatTookTheRequest() public {
        uint32 id = ask();
        vm.prank(host);
        models.updateConsumer(modelId, actor("new consumer"));

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "answer under way is paid");
    }

    function _expect(bytes memory revertData) private {
        vm.expectRevert(revertData);
    }

    function _refused(uint32 id, UsageReceipt memory receipt, bytes memory revertData) private {
        bytes memory signature = sign(receipt);
        vm.expectRevert(revertData);
        deliver(id, receipt, signature);
    }

    function _copy(UsageReceipt memory receipt) private pure returns (UsageReceipt memory) {
        return abi.decode(abi.encode(receipt), (UsageReceipt));
    }

    function _wideTerms() private pure returns (Terms memory wide) {
        wide = terms();
        wide.maxPromptTokens = 1_000;
    }
}
