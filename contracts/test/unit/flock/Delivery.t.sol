// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BaseConsumer} from "infernet-sdk/consumer/Base.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Request, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";
import {SignerWallet} from "../../mocks/SignerWallet.sol";

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
        UsageReceipt memory receipt = receiptFor(id, 2, node, 17, 23);
        bytes memory signature = sign(receipt);
        _expect(abi.encodeWithSelector(IUsageMeter.ReceiptIntervalMismatch.selector, uint32(1), uint32(2)));
        vm.prank(node);
        coordinator.deliverCompute(id, 1, "", output(receipt), signature, address(0));
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
        (Request memory request,) = consumer.requestOf(id);
        bytes memory signature = sign(receipt);

        _expect(abi.encodeWithSelector(IUsageMeter.ReceiptAlreadyRecorded.selector, receipt.requestId, 1, node));
        vm.prank(address(consumer));
        meter.record(request, _delivery(receipt), receipt, signature);
    }

    function test_record_revertsWhenTheLastAnswerIsReplayed() public {
        uint32 id = ask();
        UsageReceipt memory receipt = answer(id);
        (Request memory request,) = consumer.requestOf(id);
        bytes memory signature = sign(receipt);

        _expect(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        vm.prank(address(consumer));
        meter.record(request, _delivery(receipt), receipt, signature);
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

    function test_record_revertsUnlessTheConsumerCalls() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        (Request memory request,) = consumer.requestOf(id);
        bytes memory signature = sign(receipt);
        _expect(abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(consumer), host));
        vm.prank(host);
        meter.record(request, _delivery(receipt), receipt, signature);
    }

    function test_deliver_revertsOnAnotherChainId() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        vm.chainId(1);
        bytes memory signatureForMainnet = sign(receipt);
        vm.chainId(31337);
        _expect(
            abi.encodeWithSelector(
                IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer
            )
        );
        deliver(id, receipt, signatureForMainnet);
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
            _expect(abi.encodeWithSelector(IModelHostConsumer.OutputMalformed.selector, malformed[i].length));
            vm.prank(node);
            coordinator.deliverCompute(id, 1, "", malformed[i], "", address(0));
        }
    }

    function test_deliver_revertsAfterTheDeadline() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        (Request memory request,) = consumer.requestOf(id);
        vm.warp(request.deadline);
        vm.warp(uint256(request.deadline) + 1);
        _refused(
            id, receipt, abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, receipt.requestId, request.deadline)
        );
    }

    function test_deliver_isPaidForRequestsMadeBeforeRetirement() public {
        uint32 id = ask();
        vm.prank(host);
        models.retire(modelId);

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "answer under way is paid");
    }

    function test_deliver_usesThePriceOfTheMomentOfTheRequest() public {
        uint32 id = ask();
        vm.prank(host);
        models.updateTerms(modelId, _wideTerms());

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "old price");
    }

    function test_deliver_takesTheOldSignerWhileItsGraceLasts() public {
        uint32 first = ask();
        uint32 second = ask();
        address next = actor("next signer");
        vm.prank(host);
        models.rotateReceiptSigner(modelId, next, 10 minutes);

        answer(first);

        vm.warp(block.timestamp + 10 minutes + 1);
        UsageReceipt memory receipt = receiptFor(second, 1, node, 17, 23);
        bytes memory old = sign(receipt);
        _expect(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), next)
        );
        deliver(second, receipt, old);
        deliver(second, receipt, sign(receipt, "next signer"));
    }

    function test_deliver_takesSignaturesOfContracts() public {
        SignerWallet wallet = new SignerWallet(signer);
        vm.prank(host);
        models.rotateReceiptSigner(modelId, address(wallet), 0);
        uint32 id = ask();

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "ERC-1271");
    }

    function test_deliver_lazilyThroughTheInbox() public {
        IModelHostConsumer.RequestParams memory lazy = params();
        lazy.lazy = true;
        uint32 id = ask(lazy);

        answer(id);

        assertEq(distributor.claimableHost(modelId), FEE, "read from the Inbox");
    }

    function test_deliver_paysEachOfTwoNodes() public {
        IModelHostConsumer.RequestParams memory twice = params();
        twice.redundancy = 2;
        uint32 id = ask(twice);
        answer(id);
        UsageReceipt memory receipt = receiptFor(id, 1, secondNode, 17, 23);

        deliver(id, receipt, sign(receipt));

        assertEq(distributor.claimableHost(modelId), 2 * FEE, "two answers");
        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 0, "all delivered");
    }

    function test_deliver_recurringPaysEachIntervalOnce() public {
        IModelHostConsumer.RequestParams memory recurring = params();
        (recurring.intervals, recurring.periodSec) = (3, 1 hours);
        uint32 id = ask(recurring);
        for (uint32 interval = 1; interval <= 3; ++interval) {
            // Not from block.timestamp: the optimizer takes it for constant within a call.
            vm.warp(1_700_000_000 + interval * 1 hours);
            UsageReceipt memory receipt = receiptFor(id, interval, node, 17, 23);
            deliver(id, receipt, sign(receipt));
        }
        assertEq(distributor.claimableHost(modelId), 3 * FEE, "three intervals");
    }

    function test_record_revertsForAnIntervalBeforeOneAlreadyAnswered() public {
        IModelHostConsumer.RequestParams memory recurring = params();
        (recurring.intervals, recurring.periodSec) = (3, 1 hours);
        uint32 id = ask(recurring);
        vm.warp(block.timestamp + 2 hours);
        UsageReceipt memory second = receiptFor(id, 2, node, 17, 23);
        deliver(id, second, sign(second));
        UsageReceipt memory first = receiptFor(id, 1, node, 17, 23);
        (Request memory request,) = consumer.requestOf(id);
        bytes memory signature = sign(first);

        _expect(abi.encodeWithSelector(IUsageMeter.IntervalPassed.selector, first.requestId, 1, 2));
        vm.prank(address(consumer));
        meter.record(request, _delivery(first), first, signature);
    }

    function _expect(bytes memory revertData) private {
        vm.expectRevert(revertData);
    }

    function _refused(uint32 id, UsageReceipt memory receipt, bytes memory revertData) private {
        bytes memory signature = sign(receipt);
        vm.expectRevert(revertData);
        deliver(id, receipt, signature);
    }

    function _delivery(UsageReceipt memory receipt) private pure returns (IUsageMeter.Delivery memory) {
        return IUsageMeter.Delivery({
            node: receipt.node,
            interval: receipt.interval,
            inputHash: receipt.inputHash,
            outputHash: receipt.outputHash,
            promptBytes: PROMPT.length,
            outputBytes: ANSWER.length
        });
    }

    function _copy(UsageReceipt memory receipt) private pure returns (UsageReceipt memory) {
        return abi.decode(abi.encode(receipt), (UsageReceipt));
    }

    function _wideTerms() private pure returns (Terms memory wide) {
        wide = terms();
        wide.maxPromptTokens = 1_000;
    }
}
