// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {FalseToken, SixDecimalsToken} from "../../mocks/infernet/MockTokens.sol";
import {PaidInfernetTest} from "../../mocks/infernet/PaidInfernetTest.sol";

/// @dev Step 8 of a delivery. Cases walk through one delivery and mend one fault after the other.
contract CoordinatorPaymentRefusalsTest is PaidInfernetTest {
    function refused(uint32 id, address wallet, bytes memory expected, string memory what) internal {
        assertReverts(node, address(coordinator), delivery(id, 1, wallet), expected, what);
    }

    function refused(uint32 id, bytes4 expected, string memory what) internal {
        refused(id, address(nodeWallet), abi.encodePacked(expected), what);
    }

    function test_deliverCompute_checksPaymentsInOrder() public {
        uint32 id = ask(NATIVE, AMOUNT, address(verifier));
        verifier.set(NATIVE, false, AMOUNT);
        setFee(40_000);

        bytes memory invalid = abi.encodePacked(Coordinator.InvalidWallet.selector);
        refused(id, NATIVE, invalid, "8.1: no wallet of the node");
        refused(id, node, invalid, "8.1: an account as the node's wallet");

        uint32 walletless = consumer.create(CONTAINERS, 1, 0, 1, false, NATIVE, AMOUNT, node, address(verifier));
        refused(walletless, address(nodeWallet), invalid, "8.2: an account as the consumer's wallet");

        refused(id, address(nodeWallet), panic(0x11), "8.3: twice the fee leaves uint16");

        setFee(500);
        refused(id, Wallet.InsufficientAllowance.selector, "8.4: no allowance");

        approveConsumer(NATIVE, AMOUNT);
        refused(id, SafeTransferLib.ETHTransferFailed.selector, "8.4: no coins");

        vm.deal(address(consumerWallet), 0.1 ether);
        refused(id, Coordinator.UnsupportedVerifierToken.selector, "8.6: token");

        verifier.set(NATIVE, true, 0.9 ether + 1);
        refused(id, address(nodeWallet), panic(0x11), "8.6: fee above the rest");

        verifier.set(NATIVE, true, VERIFIER_FEE);
        refused(id, SafeTransferLib.ETHTransferFailed.selector, "8.6: no coins for the verifier");

        vm.deal(address(consumerWallet), 0.2 ether);
        refused(id, Wallet.InsufficientFunds.selector, "8.6: no bond");

        vm.deal(address(nodeWallet), AMOUNT);
        refused(id, Wallet.InsufficientAllowance.selector, "8.6: no allowance for the bond");

        approveNode(NATIVE, AMOUNT);
        refused(id, Wallet.InsufficientFunds.selector, "8.6: no coins for the escrow");

        vm.deal(address(consumerWallet), AMOUNT);
        approveConsumer(NATIVE, AMOUNT - 1);
        refused(id, Wallet.InsufficientAllowance.selector, "8.6: no allowance for the escrow");

        approveConsumer(NATIVE, AMOUNT);
        deliverPaid(id);
    }

    function test_deliverCompute_panicsWhenTheFeeTakesMoreThanAll() public {
        fundBoth();
        uint32 id = ask(NATIVE, AMOUNT, NATIVE);

        setFee(5001);
        refused(id, address(nodeWallet), panic(0x11), "above one half");
        vm.deal(address(consumerWallet), 10 ether);
        approveConsumer(NATIVE, 10 ether);
        refused(id, address(nodeWallet), panic(0x11), "above one half, with coins and allowance for it");

        setFee(5000);
        deliverPaid(id);
        assertEq(protocol.balance, AMOUNT, "all of it");
    }

    function test_deliverCompute_withoutVerifierNeedsCoinsAndAllowanceForAll() public {
        uint32 id = ask(NATIVE, AMOUNT, NATIVE);
        vm.deal(address(consumerWallet), AMOUNT - 1);
        approveConsumer(NATIVE, AMOUNT - 1);

        refused(id, Wallet.InsufficientAllowance.selector, "8.5: allowance");
        approveConsumer(NATIVE, AMOUNT);
        refused(id, SafeTransferLib.ETHTransferFailed.selector, "8.5: coins");
    }

    function test_deliverCompute_revertsWhenTheErc20Refuses() public {
        address falseToken = address(new FalseToken());
        approveConsumer(falseToken, AMOUNT);
        refused(ask(falseToken, AMOUNT, NATIVE), SafeTransferLib.TransferFailed.selector, "answers false");

        address emptyToken = address(new SixDecimalsToken());
        approveConsumer(emptyToken, AMOUNT);
        refused(ask(emptyToken, AMOUNT, NATIVE), SafeTransferLib.TransferFailed.selector, "reverts");
    }

    function test_deliverCompute_undoesPaymentsWhenTheConsumerReverts() public {
        fundBoth();
        uint32 id = ask(NATIVE, AMOUNT, NATIVE);
        consumer.reactWith(address(coordinator), delivery(id, 1, address(nodeWallet)));

        refused(id, bytes4(0xab143c06), "nested delivery");

        assertBalances(AMOUNT, AMOUNT, 0, 0);
    }

    /// @dev H2: nothing holds the consumer to what it promised when it asked.
    function test_deliverCompute_failsWhenTheConsumerTakesItsCoinsBack() public {
        fundBoth();
        uint32 id = ask(NATIVE, AMOUNT, NATIVE);

        callAs(consumerOwner, address(consumerWallet), abi.encodeCall(Wallet.withdraw, (NATIVE, AMOUNT)));
        refused(id, SafeTransferLib.ETHTransferFailed.selector, "withdrawn");

        approveConsumer(NATIVE, 0);
        refused(id, Wallet.InsufficientAllowance.selector, "not approved any more");
    }

    /// @dev H3: an answer is worth the same to whoever sends it first.
    function test_deliverCompute_paysWhoeverSendsTheAnswerFirst() public {
        fundBoth();
        uint32 id =
            consumer.create(CONTAINERS, 1, 0, 1, false, NATIVE, AMOUNT, address(consumerWallet), NATIVE);
        address copyist = walletFactory.createWallet(stranger);

        deliver(stranger, id, 1, copyist);

        assertEq(copyist.balance, 0.9 ether, "copyist");
        refused(id, Coordinator.IntervalCompleted.selector, "the node that computed");
    }

    /// @dev H4 and H5: what is charged is what is asked for at delivery.
    function test_deliverCompute_chargesTheFeesOfTheMoment() public {
        fundBoth();
        uint32 id = ask(NATIVE, AMOUNT, address(verifier));

        verifier.set(NATIVE, true, 0.9 ether + 1);
        refused(id, address(nodeWallet), panic(0x11), "H5");

        setFee(100);
        deliverPaid(id);
        assertBalances(0.98 ether - 0.9 ether - 1, AMOUNT, 0.02 ether + 0.009 ether, 0.891 ether + 1);
    }
}
