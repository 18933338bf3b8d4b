// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator, Subscription} from "infernet-sdk/Coordinator.sol";
import {Fee} from "infernet-sdk/payments/Fee.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {FlockUsageVerifier} from "../../../src/FlockUsageVerifier.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IReceiptVerifier} from "../../../src/interfaces/IReceiptVerifier.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Order, UsageReceipt} from "../../../src/types/Usage.sol";
import {MockVerifier} from "../../mocks/infernet/MockVerifier.sol";
import {SixDecimalsToken} from "../../mocks/infernet/MockTokens.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Infernet's escrow with usage receipts: to the last unit, for every verdict, beside FLock's own escrow.
/// @dev With payment a, protocol fee f in basis points and a verifier that takes no fee: cut = floor(2 a f / 10,000) goes to the
///      protocol, a - cut to the node when the receipt is valid, and the node's bond of a to the host when it is not.
contract EscrowTest is FlockTest {
    address internal constant NATIVE = address(0);
    uint256 internal constant AMOUNT = 1 ether;
    uint256 internal constant CUT = 0.1 ether;
    uint16 internal constant FEE_BPS = 500;
    /// @dev Slot of `Wallet.lockedBalance`, the first behind solady's `Ownable`, which uses none.
    uint256 internal constant LOCKED_BALANCE_SLOT = 0;

    address internal protocol = actor("infernet deployer");
    FlockUsageVerifier internal verifier;
    Wallet internal hostWallet;
    Wallet internal nodeWallet;
    Wallet internal secondWallet;
    uint32 internal delegateNonce;

    function setUp() public override {
        super.setUp();
        verifier = new FlockUsageVerifier(address(infernetRegistry), address(meter));
        hostWallet = Wallet(payable(walletFactory.createWallet(host)));
        nodeWallet = Wallet(payable(walletFactory.createWallet(node)));
        secondWallet = Wallet(payable(walletFactory.createWallet(secondNode)));
        _setFee(FEE_BPS);
        _fund(NATIVE, AMOUNT);
        _setPayment(NATIVE, AMOUNT, address(verifier));
    }

    function test_validReceipt_movesWhatInfernetsTableSays() public {
        uint32 id = ask();

        _answerPaid(id);

        _assertCoins(0, 2 * AMOUNT - CUT, CUT);
        assertEq(address(verifier).balance, 0, "verifier takes nothing");
        _assertAllowances(NATIVE, 0, AMOUNT);
        assertTrue(distributor.claimableHost(modelId) > 0, "usage is booked");
    }

    function test_validReceipt_followsInfernetsOrder() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));

        _expectCharges(AMOUNT, CUT);
        _expectEscrow(nodeWallet, node, AMOUNT, false);
        _expectEscrow(hostWallet, address(consumer), AMOUNT - CUT, false);
        vm.expectEmit(address(hostWallet));
        emit Wallet.Transfer(address(consumer), NATIVE, address(nodeWallet), AMOUNT - CUT);
        vm.expectEmit(address(coordinator));
        emit Coordinator.ProofVerified(id, 1, node, true, address(verifier), true);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerReceived(receipt.requestId, 1, node, ANSWER);
        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionFulfilled(id, node);
        _deliver(id, receipt, proof);
    }

    function test_invalidReceipt_movesWhatInfernetsTableSays() public {
        uint32 id = ask();
        uint256 reserves = distributor.reserves();

        _answerForged(id);

        _assertCoins(2 * AMOUNT - CUT, 0, CUT);
        assertEq(address(verifier).balance, 0, "verifier takes nothing");
        _assertAllowances(NATIVE, AMOUNT - CUT, 0);
        assertEq(distributor.claimableHost(modelId), 0, "no usage is booked");
        assertEq(distributor.balanceOf(requester), 0, "no refund either");
        assertEq(distributor.reserves(), reserves, "the requester's escrow stays");
        assertEq(meter.progressOf(_idOf(id)).deliveriesLeft, 1, "for an answer that does not come");
    }

    function test_invalidReceipt_followsInfernetsOrder() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt, "somebody else"));
        bytes memory reason =
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer);

        _expectCharges(AMOUNT, CUT);
        vm.expectEmit(address(verifier));
        emit IReceiptVerifier.ReceiptRejected(id, 1, node, reason);
        _expectEscrow(nodeWallet, node, AMOUNT, false);
        _expectEscrow(hostWallet, address(consumer), AMOUNT - CUT, false);
        vm.expectEmit(address(nodeWallet));
        emit Wallet.Transfer(node, NATIVE, address(hostWallet), AMOUNT);
        vm.expectEmit(address(coordinator));
        emit Coordinator.ProofVerified(id, 1, node, true, address(verifier), false);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerRefused(receipt.requestId, 1, node, reason);
        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionFulfilled(id, node);
        _deliver(id, receipt, proof);
    }

    function test_invalidReceipt_leavesTheEscrowToTheRequesterAfterTheDeadline() public {
        uint256 before = token.balanceOf(requester);
        uint32 id = ask();
        uint256 escrow = before - token.balanceOf(requester);
        _answerForged(id);
        (, uint256 perAnswer) = meter.quote(modelId, 1, 1);
        vm.warp(1_700_000_000 + 1 hours + 1);

        consumer.reclaim(id);
        distributor.withdrawBalance(requester, address(0));

        assertEq(escrow, perAnswer, "one answer");
        assertEq(token.balanceOf(requester), before, "all of it came back");
    }

    function test_validReceipt_paysErc20ToTheLastUnit() public {
        SixDecimalsToken coin = _payInErc20(40_000_000, 511, address(verifier));

        _answerPaid(ask());

        assertEq(coin.balanceOf(address(hostWallet)), 0, "host");
        assertEq(coin.balanceOf(address(nodeWallet)), 40_000_000 + 35_912_000, "node");
        assertEq(coin.balanceOf(protocol), 4_088_000, "protocol");
        assertEq(coin.balanceOf(address(verifier)), 0, "verifier");
        _assertAllowances(address(coin), 0, 40_000_000);
    }

    function test_invalidReceipt_finesErc20ToTheLastUnit() public {
        SixDecimalsToken coin = _payInErc20(40_000_000, 511, address(verifier));

        _answerForged(ask());

        assertEq(coin.balanceOf(address(hostWallet)), 40_000_000 + 35_912_000, "host");
        assertEq(coin.balanceOf(address(nodeWallet)), 0, "node");
        assertEq(coin.balanceOf(protocol), 4_088_000, "protocol");
        _assertAllowances(address(coin), 35_912_000, 0);
    }

    function testFuzz_escrow_movesExactlyThePaymentAndTheBond(uint96 amount, uint16 feeBps, bool valid) public {
        amount = uint96(bound(amount, 1, type(uint96).max));
        feeBps = uint16(bound(feeBps, 0, 5_000));
        _setFee(feeBps);
        _fund(NATIVE, amount);
        _setPayment(NATIVE, amount, address(verifier));
        uint256 cut = uint256(amount) * 2 * feeBps / 10_000;
        uint32 id = ask();

        if (valid) _answerPaid(id);
        else _answerForged(id);

        if (valid) _assertCoins(0, 2 * uint256(amount) - cut, cut);
        else _assertCoins(2 * uint256(amount) - cut, 0, cut);
        _assertAllowances(NATIVE, valid ? 0 : amount - cut, valid ? amount : 0);
        assertEq(verifier.isRejected(id, 1, node), !valid, "verdict");
    }

    /// The numbers of Infernet's table for a verifier that charges 0.1 of 1 coin hold for a FLock consumer too.
    function test_foreignVerifier_isPaidAndReleasesTheEscrow() public {
        MockVerifier foreign = _foreignVerifier(NATIVE, 0.1 ether);
        _setPayment(NATIVE, AMOUNT, address(foreign));
        foreign.setMode(MockVerifier.Mode.AtomicValid);

        _answerPaid(ask());

        _assertCoins(0, AMOUNT + 0.8 ether, 0.105 ether);
        assertEq(address(foreign).balance, 0.095 ether, "verifier");
        _assertAllowances(NATIVE, 0, AMOUNT);
    }

    function test_foreignVerifier_isPaidInErc20ToTheLastUnit() public {
        MockVerifier foreign = _foreignVerifier(NATIVE, 0);
        SixDecimalsToken coin = _payInErc20(40_000_000, 511, address(foreign));
        foreign.set(address(coin), true, 5_000_000);
        foreign.setMode(MockVerifier.Mode.AtomicValid);

        _answerPaid(ask());

        assertEq(coin.balanceOf(address(hostWallet)), 0, "host");
        assertEq(coin.balanceOf(address(nodeWallet)), 40_000_000 + 30_912_000, "node");
        assertEq(coin.balanceOf(protocol), 4_343_500, "protocol");
        assertEq(coin.balanceOf(address(foreign)), 4_744_500, "verifier");
    }

    /// A verifier that judges something else may fine a node whose usage is right: fee and fine are two matters.
    function test_foreignVerifier_mayFineANodeWhoseUsageCounts() public {
        MockVerifier foreign = _foreignVerifier(NATIVE, 0.1 ether);
        _setPayment(NATIVE, AMOUNT, address(foreign));
        foreign.setMode(MockVerifier.Mode.AtomicInvalid);

        _answerPaid(ask());

        _assertCoins(AMOUNT + 0.8 ether, 0, 0.105 ether);
        assertTrue(distributor.claimableHost(modelId) > 0, "usage is booked");
    }

    /// A verifier that keeps no list of rejections cannot make the consumer swallow a refusal.
    function test_foreignVerifier_doesNotLetARefusedAnswerThrough() public {
        MockVerifier foreign = _foreignVerifier(NATIVE, 0.1 ether);
        _setPayment(NATIVE, AMOUNT, address(foreign));
        foreign.setMode(MockVerifier.Mode.AtomicInvalid);
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt, "somebody else"));

        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer
            )
        );
        _deliver(id, receipt, proof);

        _assertNothingMoved();
    }

    /// A verdict that comes later, or never: the fee is booked with the delivery, the payment waits.
    function test_foreignVerifier_mayTakeItsTime() public {
        MockVerifier foreign = _foreignVerifier(NATIVE, 0.1 ether);
        _setPayment(NATIVE, AMOUNT, address(foreign));
        uint32 id = ask();

        _answerPaid(id);

        _assertCoins(0.8 ether, AMOUNT, 0.105 ether);
        assertEq(_lockedOf(hostWallet, NATIVE), 0.8 ether, "escrow");
        assertEq(_lockedOf(nodeWallet, NATIVE), AMOUNT, "bond");
        assertTrue(distributor.claimableHost(modelId) > 0, "usage is booked");
        vm.warp(1_700_000_000 + 7 days);
        coordinator.finalizeProofVerification(id, 1, node, false);
        _assertCoins(0, AMOUNT + 0.8 ether, 0.105 ether);
        _assertAllowances(NATIVE, 0, AMOUNT);
    }

    function test_refusal_thatTheVerifierCannotSeeUndoesEverything() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));
        bytes memory other = bytes("another answer, long enough to hold the tokens");

        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageMeter.ReceiptOutputMismatch.selector, keccak256(other), receipt.outputHash
            )
        );
        _deliverRaw(node, id, abi.encode(other, abi.encode(receipt)), proof, nodeWallet);
        _assertNothingMoved();

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.OutputMalformed.selector, 0));
        _deliverRaw(node, id, "", proof, nodeWallet);
        _assertNothingMoved();

        _deliver(id, receipt, proof);
        _assertCoins(0, 2 * AMOUNT - CUT, CUT);
    }

    /// The receipt in the output, not the one in the proof, is what is booked: they must be the same.
    function test_refusal_ofAnotherReceiptThanTheProvenOneUndoesEverything() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));
        UsageReceipt memory other = receiptFor(id, 1, node, 18, 23);

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(other), signer)
        );
        _deliver(id, other, proof);

        _assertNothingMoved();
    }

    /// A signer that counts more tokens than the answer has bytes: only the consumer sees the answer.
    function test_refusal_ofMoreTokensThanBytesUndoesEverything() public {
        uint32 id = ask();
        uint32 tooMany = uint32(ANSWER.length + 1);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, tooMany);
        bytes memory proof = abi.encode(receipt, sign(receipt));

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.UsageAboveBytes.selector, uint256(tooMany), ANSWER.length)
        );
        _deliver(id, receipt, proof);

        _assertNothingMoved();
    }

    function test_allowance_endsWhatIsPaid() public {
        vm.deal(address(hostWallet), 3 * AMOUNT);
        vm.prank(host);
        hostWallet.approve(address(consumer), NATIVE, 2 * AMOUNT);
        _answerPaid(ask());
        _assertAllowances(NATIVE, AMOUNT, AMOUNT);
        _answerPaid(ask());
        _assertAllowances(NATIVE, 0, AMOUNT);
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));

        vm.expectRevert(Wallet.InsufficientAllowance.selector);
        _deliver(id, receipt, proof);

        vm.prank(host);
        hostWallet.approve(address(consumer), NATIVE, AMOUNT);
        _deliver(id, receipt, proof);
        _assertCoins(0, AMOUNT + 3 * (AMOUNT - CUT), 3 * CUT);
    }

    function test_wallet_withoutCoinsPaysNothing() public {
        vm.deal(address(hostWallet), AMOUNT - 1);
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));

        vm.expectRevert(Wallet.InsufficientFunds.selector);
        _deliver(id, receipt, proof);

        assertEq(address(hostWallet).balance, AMOUNT - 1, "untouched");
        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 1, "still to be answered");
    }

    function test_bond_isNeededToDeliver() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));

        vm.deal(address(nodeWallet), AMOUNT - 1);
        vm.expectRevert(Wallet.InsufficientFunds.selector);
        _deliver(id, receipt, proof);

        vm.deal(address(nodeWallet), AMOUNT);
        vm.prank(node);
        nodeWallet.approve(node, NATIVE, AMOUNT - 1);
        vm.expectRevert(Wallet.InsufficientAllowance.selector);
        _deliver(id, receipt, proof);

        // A wallet that the factory did not make, and one whose owner approved nothing for this node.
        vm.deal(address(secondWallet), AMOUNT);
        vm.expectRevert(Coordinator.InvalidWallet.selector);
        _deliverRaw(node, id, output(receipt), proof, Wallet(payable(node)));
        vm.expectRevert(Wallet.InsufficientAllowance.selector);
        _deliverRaw(node, id, output(receipt), proof, secondWallet);

        assertEq(address(hostWallet).balance, AMOUNT, "nothing moved");
        vm.prank(node);
        nodeWallet.approve(node, NATIVE, AMOUNT);
        _deliver(id, receipt, proof);
        _assertCoins(0, 2 * AMOUNT - CUT, CUT);
    }

    function test_redundancy_eachNodeHasItsOwnVerdict() public {
        uint32 id = _askTwoNodes();
        UsageReceipt memory first = receiptFor(id, 1, node, 17, 23);
        UsageReceipt memory second = receiptFor(id, 1, secondNode, 17, 23);

        _deliverRaw(node, id, output(first), abi.encode(first, sign(first)), nodeWallet);
        _deliverRaw(secondNode, id, output(second), abi.encode(second, sign(second, "somebody else")), secondWallet);

        _assertTwoVerdicts(id, first.requestId);
    }

    function test_redundancy_aFineDoesNotStandInTheWayOfTheOtherNode() public {
        uint32 id = _askTwoNodes();
        UsageReceipt memory first = receiptFor(id, 1, node, 17, 23);
        UsageReceipt memory second = receiptFor(id, 1, secondNode, 17, 23);

        _deliverRaw(secondNode, id, output(second), abi.encode(second, sign(second, "somebody else")), secondWallet);
        _deliverRaw(node, id, output(first), abi.encode(first, sign(first)), nodeWallet);

        _assertTwoVerdicts(id, first.requestId);
    }

    function test_lazyDelivery_isJudgedLikeAnother() public {
        IModelHostConsumer.RequestParams memory p = params();
        p.lazy = true;
        uint32 paid = ask(p);
        _answerPaid(paid);
        _assertCoins(0, 2 * AMOUNT - CUT, CUT);
        assertTrue(distributor.claimableHost(modelId) > 0, "usage is booked");

        uint256 booked = distributor.claimableHost(modelId);
        _fund(NATIVE, AMOUNT);
        vm.deal(protocol, 0);
        uint32 fined = ask(p);
        UsageReceipt memory receipt = receiptFor(fined, 1, node, 17, 23);
        bytes memory reason =
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer);
        bytes memory proof = abi.encode(receipt, sign(receipt, "somebody else"));

        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerRefused(receipt.requestId, 1, node, reason);
        _deliver(fined, receipt, proof);

        _assertCoins(2 * AMOUNT - CUT, 0, CUT);
        assertEq(distributor.claimableHost(modelId), booked, "no more usage");
    }

    function test_order_withAValidReceiptPaysNodeAndFee() public {
        uint256 deposited = _depositFor(1);
        Order memory order_ = order("paid");
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);

        _deliverOrder(order_, receipt, orderProof(order_, "requester", receipt, sign(receipt)));

        _assertCoins(0, 2 * AMOUNT - CUT, CUT);
        uint256 fee = distributor.claimableHost(modelId);
        assertTrue(fee > 0, "usage is booked");
        assertEq(distributor.balanceOf(requester), deposited - fee, "and paid by the requester");
        assertEq(meter.progressOf(receipt.requestId).answered, 1, "answered");
    }

    function test_order_withAForgedReceiptCostsTheBondAndStaysOpen() public {
        uint256 deposited = _depositFor(1);
        Order memory order_ = order("forged receipt");
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        bytes memory forged = orderProof(order_, "requester", receipt, sign(receipt, "somebody else"));
        bytes memory reason =
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer);
        uint32 id = coordinator.id();

        vm.expectEmit(address(verifier));
        emit IReceiptVerifier.ReceiptRejected(id, 1, node, reason);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerRefused(_idOf(id), 1, node, reason);
        _deliverOrder(order_, receipt, forged);

        _assertCoins(2 * AMOUNT - CUT, 0, CUT);
        assertEq(distributor.balanceOf(requester), deposited, "the requester pays nothing");
        assertEq(distributor.claimableHost(modelId), 0, "no usage is booked");
        _fund(NATIVE, AMOUNT);
        _deliverOrder(order_, receipt, orderProof(order_, "requester", receipt, sign(receipt)));
        assertTrue(distributor.claimableHost(modelId) > 0, "answered by another subscription");
    }

    function test_order_thatItsRequesterDidNotSignUndoesEverything() public {
        uint256 deposited = _depositFor(1);
        Order memory order_ = order("forged order");
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        bytes memory forged = orderProof(order_, "somebody else", receipt, sign(receipt));

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, receipt.requestId, requester)
        );
        _deliverOrder(order_, receipt, forged);

        _assertNothingMoved();
        assertEq(distributor.balanceOf(requester), deposited, "the requester pays nothing");
    }

    /// What others brought about while a delivery was under way costs its node nothing.
    function test_delivery_thatOthersMadeInvalidUndoesEverything() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));
        vm.prank(host);
        models.updateNodes(modelId, one(secondNode));

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.NodeNotListed.selector, modelId, node));
        _deliverRaw(node, id, output(receipt), proof, nodeWallet);
        _assertNothingMoved();

        vm.prank(host);
        models.updateNodes(modelId, two(node, secondNode));
        uint256 deadline = block.timestamp + 1 hours;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, receipt.requestId, deadline));
        _deliverRaw(node, id, output(receipt), proof, nodeWallet);
        _assertNothingMoved();
    }

    function test_order_isPaidOnce() public {
        _depositFor(2);
        Order memory order_ = order("once");
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        bytes memory proof = orderProof(order_, "requester", receipt, sign(receipt));
        _deliverOrder(order_, receipt, proof);
        uint256 left = distributor.balanceOf(requester);
        uint256 booked = distributor.claimableHost(modelId);
        _fund(NATIVE, AMOUNT);
        uint256 bond = address(nodeWallet).balance;

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.OrderUsed.selector, receipt.requestId));
        _deliverOrder(order_, receipt, proof);

        assertEq(distributor.balanceOf(requester), left, "no second fee");
        assertEq(distributor.claimableHost(modelId), booked, "no second usage");
        assertEq(address(nodeWallet).balance, bond, "nor a fine");
    }

    /// The verifier does not look at balances: a requester that cannot pay costs the node nothing.
    function test_order_thatTheBalanceDoesNotCoverUndoesEverything() public {
        Order memory order_ = order("not covered");
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        bytes memory proof = orderProof(order_, "requester", receipt, sign(receipt));
        uint256 metered = 17 * uint256(333_333_333_333_333_333) + 23 * uint256(777_777_777_777_777_777);
        uint256 fee = 1e15 + (metered + 999_999) / 1e6;

        vm.expectRevert(
            abi.encodeWithSelector(IRewardDistributor.BalanceInsufficient.selector, requester, 0, fee)
        );
        _deliverOrder(order_, receipt, proof);

        _assertNothingMoved();
        assertEq(coordinator.id(), 1, "no subscription either");
    }

    function test_consumer_thatIsNoneOfFlocksNeverHasAValidProof() public {
        RecordingConsumer stranger = new RecordingConsumer(address(infernetRegistry), host);
        vm.prank(host);
        hostWallet.approve(address(stranger), NATIVE, AMOUNT);
        uint32 own = ask();
        UsageReceipt memory receipt = receiptFor(own, 1, node, 17, 23);
        uint32 id = _subscribe(stranger);

        bytes memory proof = abi.encode(receipt, sign(receipt));
        bytes32 unknownId = meter.requestIdOf(address(stranger), id);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, unknownId));
        _deliverRaw(node, id, output(receipt), proof, nodeWallet);

        _assertNothingMoved();
        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 1, "the request of that receipt stays open");
    }

    function test_consumer_thatIsNoneOfFlocksCannotUseAnOrder() public {
        uint256 deposited = _depositFor(1);
        RecordingConsumer stranger = new RecordingConsumer(address(infernetRegistry), host);
        vm.prank(host);
        hostWallet.approve(address(stranger), NATIVE, AMOUNT);
        uint32 id = _subscribe(stranger);
        Order memory order_ = order("for the consumer");
        UsageReceipt memory receipt = receiptFor(order_, 1, node, 17, 23);
        bytes memory proof = orderProof(order_, "requester", receipt, sign(receipt));

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(consumer), address(stranger))
        );
        _deliverRaw(node, id, output(receipt), proof, nodeWallet);

        _assertNothingMoved();
        assertEq(distributor.balanceOf(requester), deposited, "the requester pays nothing");
        assertEq(meter.progressOf(receipt.requestId).answered, 0, "the order stays open");
    }

    function _answerPaid(uint32 id) private {
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        _deliver(id, receipt, abi.encode(receipt, sign(receipt)));
    }

    function _answerForged(uint32 id) private {
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        _deliver(id, receipt, abi.encode(receipt, sign(receipt, "somebody else")));
    }

    function _deliver(uint32 id, UsageReceipt memory receipt, bytes memory proof) private {
        _deliverRaw(node, id, output(receipt), proof, nodeWallet);
    }

    function _deliverRaw(address node_, uint32 id, bytes memory output_, bytes memory proof, Wallet wallet) private {
        vm.prank(node_);
        coordinator.deliverCompute(id, 1, "", output_, proof, address(wallet));
    }

    /// @dev A subscription of its own for every delivery, signed by the consumer's delegate signer.
    function _deliverOrder(Order memory order_, UsageReceipt memory receipt, bytes memory proof) private {
        Subscription memory sub = Subscription({
            owner: order_.consumer,
            activeAt: 0,
            period: 0,
            frequency: 1,
            redundancy: 1,
            containerId: keccak256(abi.encode("flock-workflow")),
            lazy: false,
            verifier: payable(address(verifier)),
            paymentAmount: AMOUNT,
            paymentToken: NATIVE,
            wallet: payable(address(hostWallet))
        });
        uint32 expiry = type(uint32).max;
        bytes memory signature = signDigest(_digest(++delegateNonce, expiry, sub), "host");
        (bytes32 r, bytes32 s, uint8 v) = _parts(signature);
        vm.prank(node);
        coordinator.deliverComputeDelegatee(
            delegateNonce, expiry, sub, v, r, s, 1, "", output(receipt), proof, address(nodeWallet)
        );
    }

    /// @dev Written out here, so that nothing of the Coordinator vouches for itself.
    function _digest(uint32 nonce, uint32 expiry, Subscription memory sub) private view returns (bytes32) {
        string memory subType =
            "Subscription(address owner,uint32 activeAt,uint32 period,uint32 frequency,uint16 redundancy,bytes32 containerId,bool lazy,address verifier,uint256 paymentAmount,address paymentToken,address wallet)";
        bytes32 delegateType =
            keccak256(abi.encodePacked("DelegateSubscription(uint32 nonce,uint32 expiry,Subscription sub)", subType));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("InfernetCoordinator"),
                keccak256("1"),
                block.chainid,
                address(coordinator)
            )
        );
        bytes32 subHash = keccak256(abi.encode(keccak256(bytes(subType)), sub));
        bytes32 structHash = keccak256(abi.encode(delegateType, nonce, expiry, subHash));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _parts(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
    }

    function _subscribe(RecordingConsumer stranger) private returns (uint32) {
        return stranger.create(
            "flock-workflow", 1, 0, 1, false, NATIVE, AMOUNT, address(hostWallet), address(verifier)
        );
    }

    /// @dev Both wallets hold enough for two deliveries; the second node has its own bond.
    function _askTwoNodes() private returns (uint32) {
        vm.deal(address(hostWallet), 2 * AMOUNT);
        vm.deal(address(secondWallet), AMOUNT);
        vm.prank(host);
        hostWallet.approve(address(consumer), NATIVE, 2 * AMOUNT);
        vm.prank(secondNode);
        secondWallet.approve(secondNode, NATIVE, AMOUNT);
        IModelHostConsumer.RequestParams memory p = params();
        p.redundancy = 2;
        return ask(p);
    }

    /// @dev The first node was paid, the second fined; one answer of two is booked.
    function _assertTwoVerdicts(uint32 id, bytes32 requestId) private view {
        // 2 - 1 - 0.1 + 1.
        _assertCoins(1.9 ether, 2 * AMOUNT - CUT, 2 * CUT);
        assertEq(address(secondWallet).balance, 0, "second node");
        assertEq(hostWallet.allowance(address(consumer), NATIVE), AMOUNT - CUT, "host's allowance");
        assertTrue(!verifier.isRejected(id, 1, node) && verifier.isRejected(id, 1, secondNode), "verdicts");
        assertEq(meter.progressOf(requestId).deliveriesLeft, 1, "one answer left");
        (uint256 perAnswer,) = meter.quote(modelId, 1, 1);
        uint256 fee = distributor.claimableHost(modelId);
        assertEq(distributor.balanceOf(requester), perAnswer - fee, "refund of the one that was booked");
        assertEq(distributor.reserves(), 2 * perAnswer, "escrow of the other stays");
    }

    function _assertCoins(uint256 host_, uint256 node_, uint256 protocol_) private view {
        assertEq(address(hostWallet).balance, host_, "host's wallet");
        assertEq(address(nodeWallet).balance, node_, "node's wallet");
        assertEq(protocol.balance, protocol_, "protocol");
    }

    /// @dev Allowances once nothing is locked any more.
    function _assertAllowances(address coin, uint256 host_, uint256 node_) private view {
        assertEq(hostWallet.allowance(address(consumer), coin), host_, "host's allowance");
        assertEq(nodeWallet.allowance(node, coin), node_, "node's allowance");
        assertEq(_lockedOf(hostWallet, coin) + _lockedOf(nodeWallet, coin), 0, "locked");
    }

    function _assertNothingMoved() private view {
        _assertCoins(AMOUNT, AMOUNT, 0);
        _assertAllowances(NATIVE, AMOUNT, AMOUNT);
        assertEq(distributor.claimableHost(modelId), 0, "no usage is booked");
    }

    function _lockedOf(Wallet wallet, address coin) private view returns (uint256) {
        return uint256(vm.load(address(wallet), keccak256(abi.encode(coin, LOCKED_BALANCE_SLOT))));
    }

    /// @dev Protocol fee, verifier's fee of nothing, bond and escrow, in Infernet's order.
    function _expectCharges(uint256 amount, uint256 cut) private {
        vm.expectEmit(address(hostWallet));
        emit Wallet.Transfer(address(consumer), NATIVE, protocol, cut);
        vm.expectEmit(address(hostWallet));
        emit Wallet.Transfer(address(consumer), NATIVE, protocol, 0);
        vm.expectEmit(address(hostWallet));
        emit Wallet.Transfer(address(consumer), NATIVE, address(verifier), 0);
        _expectEscrow(nodeWallet, node, amount, true);
        _expectEscrow(hostWallet, address(consumer), amount - cut, true);
    }

    function _expectEscrow(Wallet wallet, address spender, uint256 amount, bool locked) private {
        vm.expectEmit(address(wallet));
        emit Wallet.Escrow(spender, NATIVE, amount, locked);
    }

    function _idOf(uint32 id) private view returns (bytes32) {
        return meter.requestIdOf(address(consumer), id);
    }

    function _depositFor(uint256 answers) private returns (uint256 amount) {
        (uint256 perAnswer,) = meter.quote(modelId, 1, 1);
        amount = perAnswer * answers;
        vm.startPrank(requester);
        token.approve(address(distributor), amount);
        distributor.deposit(requester, amount);
        vm.stopPrank();
    }

    function _payInErc20(uint256 amount, uint16 feeBps, address verifier_) private returns (SixDecimalsToken coin) {
        coin = new SixDecimalsToken();
        coin.mint(address(hostWallet), amount);
        coin.mint(address(nodeWallet), amount);
        _approve(address(coin), amount);
        _setFee(feeBps);
        _setPayment(address(coin), amount, verifier_);
    }

    function _foreignVerifier(address coin, uint256 fee) private returns (MockVerifier foreign) {
        foreign = new MockVerifier(coordinator);
        foreign.set(coin, true, fee);
    }

    function _setFee(uint16 feeBps) private {
        Fee fee = Fee(infernetRegistry.FEE());
        vm.prank(protocol);
        fee.updateFee(feeBps);
    }

    /// @dev Exactly one payment and one bond in coins, approved.
    function _fund(address coin, uint256 amount) private {
        vm.deal(address(hostWallet), amount);
        vm.deal(address(nodeWallet), amount);
        _approve(coin, amount);
    }

    function _approve(address coin, uint256 amount) private {
        vm.prank(host);
        hostWallet.approve(address(consumer), coin, amount);
        vm.prank(node);
        nodeWallet.approve(node, coin, amount);
    }

    function _setPayment(address coin, uint256 amount, address verifier_) private {
        vm.prank(host);
        consumer.setNodePayment(
            IModelHostConsumer.NodePayment({
                token: coin,
                amount: amount,
                wallet: address(hostWallet),
                verifier: verifier_
            })
        );
    }
}
